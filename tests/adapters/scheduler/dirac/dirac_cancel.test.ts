import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandRunner } from "../../../../src/ports/command_runner.ts";
import {
  freshTag,
  jobIn,
  PATIENCE_MS,
  pidsIn,
  STUBBORN,
  signal,
  untilEnded,
} from "../../../conformance/scheduler_world.ts";
import { type DiracServer, sharedDiracServer } from "../../../support/dirac_server.ts";
import { eventually } from "../../../support/eventually.ts";
import { tempDir } from "../../../support/temp_dir.ts";
import { makeUserDirectory, openDiracWorld } from "./dirac_world.ts";

setDefaultTimeout(2 * PATIENCE_MS);

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
  await makeUserDirectory(server);
}, PATIENCE_MS);

afterEach(() => server.repair());
afterAll(() => server.repair());

test.concurrent("cancel() resolves when nothing of a stubborn job runs, also by the next daemon, and its logs come home", async () => {
  await using world = await openDiracWorld(server);
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, `echo early; ${STUBBORN}`), freshTag(), signal);
  const pids = await pidsIn(world, directory, "pids", 2);
  const next = await world.reopen();
  await next.cancel(id, signal);
  for (const pid of pids) expect(await world.isAlive(pid)).toBe(false);
  // An order that was repeated while the wrapper made its last reports replaces what they said.
  expect(await untilEnded(next, id)).toEqual({
    isOk: false,
    returnCode: null,
    reason: expect.stringMatching(
      /^DIRAC: ((Failed|Killed) \(Received Kill signal\)|Killed \(Marked for termination\))/,
    ),
  });
  await world.fileSystem.download(directory, world.localOf(directory), signal);
  expect(readFileSync(join(world.localOf(directory), "stdout.txt"), "utf8")).toBe("early\n");
});

test.concurrent("cancel() sends the order again that got lost on its way, and believes what the job left where its last report got lost", async () => {
  await using world = await openDiracWorld(server);
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, STUBBORN), freshTag(), signal);
  const pids = await pidsIn(world, directory, "pids", 2);
  const number = id.split("@")[0];
  const setKilled = (): string =>
    server.sql(
      `update JobDB.Jobs set Status = 'Killed', MinorStatus = 'Marked for termination' where JobID = ${number}`,
    );
  // DIRAC takes an order off its list when it answers a sign of life, whether or not the answer arrives.
  setKilled();
  await world.scheduler.cancel(id, signal);
  for (const pid of pids) expect(await world.isAlive(pid)).toBe(false);

  // The wrapper reports that it was killed, then the end. DIRAC notes both as Killed where the repeated order came between
  // a sign of life and the first of them.
  const reports = `select count(*) from JobLoggingDB.LoggingInfo where JobID = ${number}
    and StatusSource like 'JobWrapper%' and Status in ('Failed', 'Killed')`;
  await eventually("the last report", () => Number(server.sql(reports)) >= 2, PATIENCE_MS);
  // As if no report of the wrapper had come through.
  setKilled();
  await using next = await openDiracWorld(server, { scheduler: { recordPatienceMs: 1_000 } });
  expect(await untilEnded(next.scheduler, id)).toEqual({
    isOk: false,
    returnCode: null,
    reason: "DIRAC: Killed (Marked for termination)",
  });
});

test("cancel() of a job that goes to a node at that moment resolves only when the node has ended it", async () => {
  const { pilots, services } = server;
  const stateOf = (id: string, column: string): string =>
    server.sql(`select ${column} from JobDB.Jobs where JobID = ${id.split("@")[0]}`).trim();
  let id: string | undefined;
  /** Lets a pilot take the job when it has been seen waiting, and come no further before it is taken out of the queue. */
  const meanwhile = (runner: CommandRunner): CommandRunner => ({
    async run(command, aborted) {
      if (id === undefined || command.program !== "dirac-wms-job-delete") return await runner.run(command, aborted);
      const job = id;
      id = undefined;
      services.proxies.freeze();
      await pilots.start();
      await eventually("the match", () => stateOf(job, "Status") === "Matched", PATIENCE_MS);
      try {
        return await runner.run(command, aborted);
      } finally {
        services.proxies.thaw();
      }
    },
  });
  await using world = await openDiracWorld(server, { wrap: meanwhile });
  await pilots.stop();
  using dir = tempDir();
  const notes = join(dir.path, "notes");
  const job = await world.scheduler.submit(
    jobIn(await world.makeDirectory(), `echo $$ >>${notes}; exec sleep 1000`),
    freshTag(),
    signal,
  );
  id = job;
  await eventually("the queue", () => stateOf(job, "Status") === "Waiting", PATIENCE_MS);
  await world.scheduler.cancel(job, signal);
  expect(stateOf(job, "StartExecTime is null")).toBe("0");
  const pids = existsSync(notes) ? readFileSync(notes, "utf8").trim().split("\n") : [];
  for (const pid of pids) expect(await world.isAlive(Number(pid))).toBe(false);
});

test("cancel() of a waiting job takes it out of the queue, and its command never runs", async () => {
  await using world = await openDiracWorld(server);
  await server.pilots.stop();
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, "true"), freshTag(), signal);
  expect((await world.scheduler.statuses([id], signal)).get(id)?.type).toBe("queued");
  await world.scheduler.cancel(id, signal);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: null });
  await server.pilots.start();
  const other = await world.scheduler.submit(jobIn(await world.makeDirectory(), "true"), freshTag(), signal);
  expect(await untilEnded(world.scheduler, other)).toMatchObject({ isOk: true });
  const number = id.split("@")[0];
  const started = server.sql(`select StartExecTime is null from JobDB.Jobs where JobID = ${number}`).trim();
  expect(["1", ""]).toContain(started);
});

test("a job whose output finds no storage fails, says why, and leaves its logs and its return code", async () => {
  await using world = await openDiracWorld(server, { scheduler: { storageRetryS: 0 } });
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(
    jobIn(directory, "echo said; echo $$ >>pids; until [ -e go ]; do sleep 0.1; done"),
    freshTag(),
    signal,
  );
  await pidsIn(world, directory, "pids");
  await server.services.storage.stop();
  await world.write(directory, "go", "");
  expect(await untilEnded(world.scheduler, id)).toEqual({
    isOk: false,
    returnCode: 0,
    reason: expect.stringContaining("the output could not be stored on grid storage"),
  });
  await server.services.storage.start();
  const local = world.localOf(directory);
  await eventually(
    "the logs",
    async () => {
      await world.fileSystem.download(directory, local, signal);
      return true;
    },
    PATIENCE_MS,
  );
  expect(readFileSync(join(local, "stdout.txt"), "utf8")).toBe("said\n");
  expect(readFileSync(join(local, "returncode"), "utf8")).toBe("0");
});
