import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { type DiracServer, sharedDiracServer } from "../support/dirac_server.ts";
import { eventually } from "../support/eventually.ts";
import { FAULT_FILE } from "../support/fault_points.ts";
import { GRID_PATIENCE_MS, type GridDaemon, startGridDaemon } from "../support/grid_daemon.ts";
import { tempDir } from "../support/temp_dir.ts";

/* All tests run side by side, as jobs on a grid spend most of their time with waiting. */

setDefaultTimeout(5 * GRID_PATIENCE_MS);

const FAULT_MAIN = resolve(import.meta.dir, "../support/fault_main.ts");

const bothSides = (calls: readonly string[]): readonly string[] =>
  calls.flatMap((call) => [`before:${call}`, `after:${call}`]);

/** Calls that every job passes on its way to the grid and back. Nothing follows the last one of each story. */
const STORIES = {
  "goes to the grid": [...bothSides(["upload", "save:submitting"]), "after:save:finished"],
  "is on the grid": [...bothSides(["submit", "statuses", "save:running"]), "before:forget"],
  "comes back": [
    ...bothSides(["save:staging_out", "download", "remove-copy"]),
    ...["before:save:finished", "after:forget"],
  ],
};

/** Points that are only reached while the command runs, or before. */
const UNTIL_RUNNING = /upload|submit|statuses|running/;

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
}, GRID_PATIENCE_MS);

afterAll(() => server.repair());

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

test.concurrent("jobs run on the grid, and the exit status of the command decides; its files come back, also of failed ones", async () => {
  await using grid = await startGridDaemon(server);
  const good = await grid.submit({ text: 'it\'s "good" $HOME; \\ü' });
  const bad = await grid.submit({ status: "3", text: "bad" });
  const followed = [good, bad].map((id) => grid.daemon.text(`/api/job/${id}/stderr?follow=true`));
  expect(await grid.until(good, "ok", "error")).toMatchObject({ state: "ok", destination: "grid", returncode: 0 });
  expect(await grid.until(bad, "ok", "error")).toMatchObject({ state: "error", returncode: 3 });
  const { daemon } = grid;
  expect(await daemon.text(`/api/job/${good}/files/said.txt`)).toBe('it\'s "good" $HOME; \\ü\n');
  expect(await daemon.text(`/api/job/${good}/stdout`)).toBe("input\n");
  expect(await daemon.text(`/api/job/${bad}/files/said.txt`)).toBe("bad\n");
  expect(await daemon.text(`/api/job/${bad}/stderr`)).toContain("oops\n");
  // A node has its own disk: who follows a log gets it when the output has come back.
  expect(await Promise.all(followed)).toEqual(["oops\n", "oops\n"]);
  for (const id of [good, bad]) {
    expect(grid.begun(id)).toHaveLength(1);
    await eventually("the grid's storage to be clean", () => grid.stored(id).length === 0, GRID_PATIENCE_MS);
  }
});

test.concurrent("a proxy is renewed in time; while it cannot be and is over, jobs wait, say why, and go on then", async () => {
  using dir = tempDir();
  const [cert, key, away] = ["cert", "key", "away"].map((name) => join(dir.path, name)) as [string, string, string];
  copyFileSync(server.certificates.user.cert, cert);
  copyFileSync(server.certificates.user.key, key);
  chmodSync(key, 0o400);
  const lines = [`cert: ${cert}`, `key: ${key}`, 'valid: "00:02"', "min_life: 60"].map((line) => `        ${line}`);
  await using grid = await startGridDaemon(server, { proxy: lines });
  const endOf = (file: string): number => Date.parse(new X509Certificate(readFileSync(file)).validTo);
  const running = await grid.submit({ wait: "yes" });
  await eventually("the command", () => grid.begun(running).length > 0, GRID_PATIENCE_MS);
  const firstEndMs = endOf(grid.proxyFile);
  await eventually("a renewed proxy", () => endOf(grid.proxyFile) > firstEndMs + 30_000, GRID_PATIENCE_MS);

  renameSync(key, away);
  const tells = (id: number): Promise<unknown> =>
    eventually(
      "the reason",
      async () => /No proxy can be made/.test(await grid.daemon.text(`/api/job/${id}`)),
      GRID_PATIENCE_MS,
    );
  await tells(running);
  const waiting = await grid.submit();
  await tells(waiting);
  grid.open();
  renameSync(away, key);
  for (const id of [running, waiting]) {
    expect(await grid.until(id, "ok", "error")).toMatchObject({ state: "ok", reason: null });
    expect(grid.begun(id)).toHaveLength(1);
  }
});

/** A daemon that dies whenever it comes to the point that is armed. */
async function mortalDaemon() {
  const dir = tempDir();
  const faults = join(dir.path, "faults");
  mkdirSync(faults);
  const grid = await startGridDaemon(server, { main: FAULT_MAIN, env: { FAULTS: faults } });
  return {
    grid,
    arm: (point: string): void => writeFileSync(join(faults, FAULT_FILE), `kill ${point}`),
    disarm: (): void => rmSync(join(faults, FAULT_FILE)),
    died: async (): Promise<void> => expect(await grid.daemon.died()).toBe("SIGKILL"),
    /** Starts it again; it may come to the next point before it listens. */
    async restart(): Promise<void> {
      await grid.daemon.restart().catch((error: unknown) => {
        if (!(error instanceof Error && error.message.startsWith("The daemon ended with SIGKILL"))) throw error;
      });
    },
    async [Symbol.asyncDispose]() {
      await grid[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

/** Nothing of the job is left on the grid. */
async function isCleanedUp(grid: GridDaemon, id: number): Promise<void> {
  await eventually("the grid's storage to be clean", () => grid.stored(id).length === 0, GRID_PATIENCE_MS);
  expect(grid.begun(id).filter(isAlive)).toEqual([]);
}

for (const [way, points] of Object.entries(STORIES)) {
  test.concurrent(`a daemon that is killed at each point while a job ${way} brings it to its end, and the command runs once`, async () => {
    await using mortal = await mortalDaemon();
    const { grid, arm, died } = mortal;
    let id = 0;
    for (const [index, point] of points.entries()) {
      arm(point);
      if (!UNTIL_RUNNING.test(point)) grid.open();
      if (index === 0) id = await grid.submit({ text: way, wait: "yes" });
      else await mortal.restart();
      await died();
    }
    mortal.disarm();
    await mortal.restart();
    expect(await grid.until(id, "ok", "error")).toMatchObject({ state: "ok", reason: null, returncode: 0 });
    expect(await grid.daemon.text(`/api/job/${id}/files/said.txt`)).toBe(`${way}\n`);
    expect(grid.begun(id)).toHaveLength(1);
    await isCleanedUp(grid, id);
  });
}

test.concurrent("running jobs are cancelled and deleted when their commands have ended, at whatever point the daemon is killed", async () => {
  await using mortal = await mortalDaemon();
  const { grid, arm, died } = mortal;
  const { daemon } = grid;
  const cancelled = await grid.submit({ wait: "yes" });
  const deleted = await grid.submit({ wait: "yes" });
  for (const id of [cancelled, deleted]) {
    await eventually("the command", () => grid.begun(id).some(isAlive), GRID_PATIENCE_MS);
    await grid.until(id, "running");
  }
  // The answer may get lost with the daemon.
  const cancel = (): Promise<unknown> => daemon.call("POST", `/api/job/${cancelled}/cancel`).catch(() => undefined);
  for (const [index, point] of bothSides(["save:cancelling", "cancel"]).entries()) {
    arm(point);
    if (index > 0) await mortal.restart();
    await cancel();
    await died();
  }
  mortal.disarm();
  await mortal.restart();
  await daemon.call("DELETE", `/api/job/${deleted}`);
  expect(await grid.until(cancelled, "ok", "error")).toMatchObject({ state: "error", reason: "Cancelled by alice" });
  await isCleanedUp(grid, cancelled);
  const directory = join(daemon.directory, "jobs", String(deleted));
  await eventually("the directory to go", () => !existsSync(directory), GRID_PATIENCE_MS);
  await isCleanedUp(grid, deleted);
});
