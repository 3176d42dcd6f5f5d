import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { openJobStore } from "../../../adapters/job_store/build.ts";
import { jobId } from "../../../src/core/ids.ts";
import type { JobStore } from "../../../src/ports/job_store.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

const SCRIPT = join(import.meta.dirname, "store_process.ts");

test("every resolved write is still there after the process was killed at any moment", async () => {
  using directory = tempDir();
  const path = join(directory.path, "jobs.db");
  const seed = Number(process.env.BARTENDER_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const promises = new Promises();
  for (let round = 0; round < 6; round++) {
    // Squared, so that early moments are as well represented as late ones.
    const lines = 1 + Math.floor(pseudoRandom(seed, round) ** 2 * 1500);
    await killAfter(spawnStore("write", path), lines, (line) => promises.note(line));
    const store = await open(path);
    try {
      await promises.check(store);
    } catch (error) {
      throw new Error(`BARTENDER_TEST_SEED=${seed}, round ${round}, killed after ${lines} lines`, { cause: error });
    } finally {
      await store.close();
    }
  }
  using database = opened(path);
  expect(database.prepare("pragma integrity_check").get()).toEqual({ integrity_check: "ok" });
}, 180_000);

test("when a commit fails, its writes are refused and not there, and all resolved ones are", async () => {
  using directory = tempDir();
  const path = join(directory.path, "jobs.db");
  const saved: number[] = [];
  const refusals: string[] = [];
  // A limit on the size of files makes the disk full for this process at a moment that a test can choose.
  const child = spawn("/bin/sh", ["-c", `trap '' XFSZ; ulimit -f 1600; exec "$@"`, "sh", ...command("fill", path)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await eachLine(child, (line) => {
    const [what, id, ...rest] = line.split(" ");
    if (what === "saved") saved.push(Number(id));
    else refusals.push(`${id} ${rest.join(" ")}`);
  });
  expect(saved.length).toBeGreaterThan(0);
  expect(refusals.length).toBeGreaterThan(0);
  for (const refusal of refusals) {
    expect(refusal).toMatch(/^store_unavailable .*The job store is not available: the disk of the database/);
  }
  await using world = await openForTest(path);
  const kept = await world.store.list({ submitter: "someone", limit: 1000, offset: 0 });
  expect(kept.map((job) => Number(job.id)).sort((a, b) => a - b)).toEqual(saved.sort((a, b) => a - b));
}, 180_000);

test("processes that open a new database at the same time agree on one instance id", async () => {
  using directory = tempDir();
  const path = join(directory.path, "jobs.db");
  const ids: string[] = [];
  const children = Array.from({ length: 4 }, () => spawnStore("open", path));
  const exits = await Promise.all(
    children.map(async (child) => {
      await eachLine(child, (line) => ids.push(line));
      return child.exitCode;
    }),
  );
  expect(exits).toEqual([0, 0, 0, 0]);
  expect(ids).toHaveLength(4);
  expect(new Set(ids).size).toBe(1);
}, 180_000);

/** What a killed process was promised, job by job. */
class Promises {
  readonly #versions = new Map<number, number>();
  readonly #removed = new Set<number>();
  /** Removals that were asked for; the answer may have been lost. */
  readonly #removing = new Set<number>();

  note(line: string): void {
    const [what, id, version] = line.split(" ");
    if (what === "saved") this.#versions.set(Number(id), Number(version));
    else if (what === "removing") this.#removing.add(Number(id));
    else if (what === "removed") this.#removed.add(Number(id));
    else throw new Error(`unexpected line ${JSON.stringify(line)}`);
  }

  async check(store: JobStore): Promise<void> {
    expect(this.#versions.size).toBeGreaterThan(0);
    for (const [number, version] of this.#versions) {
      const job = await store.get(jobId(number));
      const history = await store.history(jobId(number));
      if (this.#removed.has(number)) expect(job).toBeUndefined();
      else if (!this.#removing.has(number)) expect(job?.version ?? 0).toBeGreaterThanOrEqual(version);
      expect(history.map((line) => line.version)).toEqual(
        Array.from({ length: job?.version ?? 0 }, (_, index) => index + 1),
      );
    }
  }
}

function command(mode: string, path: string): readonly [string, ...string[]] {
  return [process.execPath, SCRIPT, mode, path];
}

function spawnStore(mode: string, path: string): ChildProcess {
  const [program, ...args] = command(mode, path);
  return spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Resolves when the process has ended and all its lines were read. */
async function eachLine(child: ChildProcess, take: (line: string) => void): Promise<void> {
  const exited = once(child, "close");
  if (child.stdout === null) throw new Error("standard output is not piped");
  for await (const line of createInterface({ input: child.stdout })) take(line);
  await exited;
}

async function killAfter(child: ChildProcess, lines: number, take: (line: string) => void): Promise<void> {
  let count = 0;
  await eachLine(child, (line) => {
    take(line);
    count++;
    if (count === lines) child.kill("SIGKILL");
  });
  expect(child.signalCode).toBe("SIGKILL");
}

function open(path: string): Promise<JobStore> {
  return openJobStore({ kind: "sqlite", path }, { logger: recordingLogger() });
}

async function openForTest(path: string) {
  const store = await open(path);
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

function opened(path: string): DatabaseSync & Disposable {
  const database = new DatabaseSync(path);
  return Object.assign(database, { [Symbol.dispose]: () => database.close() });
}

/** A number from 0 to 1 that depends on both arguments only. */
function pseudoRandom(seed: number, index: number): number {
  let state = (seed ^ Math.imul(index + 1, 0x9e3779b1)) >>> 0;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return ((state ^ (state >>> 16)) >>> 0) / 2 ** 32;
}
