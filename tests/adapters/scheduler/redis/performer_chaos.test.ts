import { expect, setDefaultTimeout, test } from "bun:test";
import { hostname } from "node:os";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { type AttemptTag, attemptTag, jobId, type SchedulerJobId } from "../../../../src/core/ids.ts";
import type { Outcome } from "../../../../src/core/job.ts";
import { jobIn, signal } from "../../../conformance/scheduler_world.ts";
import { startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld, type PerformerProcess } from "../../../support/redis_world.ts";

/** How many jobs: `BARTENDER_JOBS=1000` for the long run. */
const JOBS = Number(process.env.BARTENDER_JOBS ?? 60);
const SEED = Number(process.env.BARTENDER_SEED ?? Date.now() % 1_000_000);
/** Every other seed has a server that comes back with what it knew a second ago, or longer. */
const IS_FORGETFUL = SEED % 2 === 1;
const PERFORMERS = 5;
const LEASE_S = 4;

setDefaultTimeout(60_000 + JOBS * 2_000);

const table = processTable();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Numbers from 0 to 1, always the same for a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Holds a lock for as long as anything of it lives, so that a second one that lives at the same time shows; writes a
 * line per start.
 */
const command = (tag: string, seconds: number): string =>
  `exec 9>lock; flock -n 9 || echo ${tag} >>two_alive; echo ${tag} $$ >>ledger; sleep ${seconds} & sleep ${seconds}; wait`;

test(`${JOBS} jobs over ${PERFORMERS} performers, which are killed, stopped and frozen as Redis is, which ${IS_FORGETFUL ? "forgets" : "keeps"} what it was told last, all end, each attempt begun once, never two alive [seed ${SEED}]`, async () => {
  await using server = await startRedis(IS_FORGETFUL ? { isPersistent: false, options: ["--save", "1 1"] } : {});
  await using world = openRedisWorld(server, { leaseS: LEASE_S, maxJobs: 4 });
  const { scheduler } = world;
  const performers: PerformerProcess[] = [];
  /** Of all lives. */
  const processes: PerformerProcess[] = [];
  const startPerformer = async (): Promise<PerformerProcess> => {
    const started = await world.startPerformer();
    processes.push(started);
    return started;
  };
  for (let count = 0; count < PERFORMERS; count++) performers.push(await startPerformer());
  /** For whoever has to find out what happened. */
  const story: string[] = [];
  const note = (what: string): void => void story.push(`${Date.now()} ${what}`);

  let isDone = false;
  const ended = new Map<SchedulerJobId, { readonly outcome: Outcome; readonly isInterrupted: boolean }>();
  const leftAlive: string[] = [];
  const directories = new Map<SchedulerJobId, string>();
  const patiently = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof SchedulerUnavailableError)) throw error;
        await sleep(100);
      }
    }
  };
  /** Every process of an attempt must be dead when its end is told. */
  const noteEnd = (id: SchedulerJobId, outcome: Outcome, isInterrupted = false): void => {
    if (ended.has(id)) return;
    ended.set(id, { outcome, isInterrupted });
    if (table.isAnyLiving(undefined, false, id)) leftAlive.push(id);
    waiting.get(id)?.();
    waiting.delete(id);
  };
  /** Those whose end nobody has told yet. */
  const waiting = new Map<SchedulerJobId, () => void>();
  const untilEnded = (id: SchedulerJobId): Promise<void> =>
    new Promise((resolve) => (ended.has(id) ? resolve() : waiting.set(id, resolve)));
  /** As the poller of a daemon: one question for all. */
  const poll = async (): Promise<void> => {
    while (!isDone) {
      await sleep(500);
      const statuses = await patiently(() => scheduler.statuses([...waiting.keys()], signal));
      for (const [id, status] of statuses) {
        if (status.type === "ended") noteEnd(id, status.outcome, status.isInterrupted);
      }
    }
  };
  scheduler.listen?.((id, status) => {
    if (status.type === "ended") noteEnd(id, status.outcome, status.isInterrupted);
  });

  const random = randomFrom(SEED);
  const runJob = async (number: number): Promise<{ readonly directory: string; readonly attempts: number }> => {
    const directory = await world.makeDirectory();
    for (let number_of_attempt = 1; ; number_of_attempt++) {
      const tag: AttemptTag = attemptTag(`c${process.pid}x${SEED}`, jobId(number), number_of_attempt);
      const job = jobIn(directory, command(tag, Math.round(random() * 20) / 10));
      const id = await patiently(() => scheduler.submit(job, tag, signal));
      directories.set(id, directory);
      await untilEnded(id);
      const end = ended.get(id);
      await patiently(async () => scheduler.forget?.(id));
      if (end?.isInterrupted !== true) {
        expect(end?.outcome).toEqual({ isOk: true, returnCode: 0, reason: null, host: hostname() });
        return { directory, attempts: number_of_attempt };
      }
    }
  };

  const chaosOfPerformers = async (): Promise<void> => {
    const random = randomFrom(SEED + 1);
    while (!isDone) {
      await sleep(200 + random() * 1_500);
      const index = Math.floor(random() * PERFORMERS);
      const performer = performers[index] as PerformerProcess;
      const what = random();
      note(`performer ${performer.pid} ${what < 0.4 ? "killed" : what < 0.6 ? "stopped" : "frozen"}`);
      if (what < 0.4) {
        await performer.stop("SIGKILL");
        await sleep(random() * LEASE_S * 1_500);
        performers[index] = await startPerformer();
      } else if (what < 0.6) {
        await performer.stop("SIGTERM");
        performers[index] = await startPerformer();
      } else {
        performer.child.kill("SIGSTOP");
        await sleep(random() * LEASE_S * 1_500);
        performer.child.kill("SIGCONT");
        note(`performer ${performer.pid} goes on`);
      }
    }
  };
  const chaosOfRedis = async (): Promise<void> => {
    const random = randomFrom(SEED + 2);
    while (!isDone) {
      await sleep(1_000 + random() * 8_000);
      if (random() < 0.6) {
        await server.stop("SIGKILL");
        note("Redis killed");
        await sleep(random() * 2_000);
        await server.start();
        note("Redis started");
      } else {
        server.freeze();
        await sleep(random() * 2_000);
        server.thaw();
      }
    }
  };
  const troubled = Promise.all([chaosOfPerformers(), chaosOfRedis(), poll()]);
  const ran = Promise.all(Array.from({ length: JOBS }, (_, index) => runJob(index + 1)));
  try {
    // Trouble that fails is a fault of the test, and jobs may wait for ever then.
    await Promise.race([ran, troubled]);
  } finally {
    isDone = true;
  }
  const results = await ran;
  await troubled;

  expect(leftAlive).toEqual([]);
  let starts = 0;
  for (const { directory } of results) {
    expect(await world.read(directory, "two_alive")).toBeUndefined();
    const tags = (await world.read(directory, "ledger"))
      ?.split("\n")
      .slice(0, -1)
      .map((line) => line.split(" ")[0]);
    const twice = tags?.find((tag, at) => tags.indexOf(tag) !== at);
    if (twice !== undefined) {
      const told = processes.flatMap(({ pid, log }) =>
        log()
          .split("\n")
          .filter((line) => line.includes(twice))
          .map((line) => `${pid}: ${line}`),
      );
      throw new Error([`${twice} began twice`, ...story, ...told].join("\n"));
    }
    starts += tags?.length ?? 0;
  }
  expect(starts).toBeGreaterThanOrEqual(JOBS);
});
