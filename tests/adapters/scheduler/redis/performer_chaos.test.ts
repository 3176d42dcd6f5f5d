import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { attemptTag, jobId, type SchedulerJobId } from "../../../../src/core/ids.ts";
import type { SchedulerStatus } from "../../../../src/core/job.ts";
import { jobIn, signal } from "../../../conformance/scheduler_world.ts";
import { startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld, type PerformerProcess } from "../../../support/redis_world.ts";
import { type Random, randomOf } from "../../../support/seeded_random.ts";

const JOBS = Number(process.env.BARTENDER_JOBS ?? 1000);
const SEED = Number(process.env.BARTENDER_SEED ?? Date.now() % 1_000_000);
/** Every other seed has a server that comes back with what it knew a second ago, or longer. */
const IS_FORGETFUL = SEED % 2 === 1;
const PERFORMERS = 5;
const LEASE_S = 4;
/** Submitted and not over: more than there is room for, so that some wait, and few, so that all see trouble. */
const IN_FLIGHT = 60;
/** A machine with much else to do gets no more of it than an idle one. */
const TROUBLE_MS = 35_000;

setDefaultTimeout(60_000 + JOBS * 1_000);

const table = processTable();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Most are quick; some would live on when they are told as lost, if nobody ended them. */
const secondsOf = (random: Random): number =>
  random.chance(0.05) ? 2 * LEASE_S : random.chance(0.2) ? 2 : random.int(30) / 100;

/**
 * Holds a lock for as long as anything of it lives, so that a second one that lives at the same time shows; writes a
 * line per start.
 */
const command = (tag: string, seconds: number): string =>
  `exec 9>lock; flock -n 9 || echo ${tag} >>two_alive; echo ${tag} >>ledger; sleep ${seconds} & wait`;

const linesIn = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];

test(`${JOBS} jobs over ${PERFORMERS} performers, which are killed, stopped and frozen as Redis is, which ${IS_FORGETFUL ? "forgets" : "keeps"} what it was told last, all end, each attempt begun once, never two alive [seed ${SEED}]`, async () => {
  await using server = await startRedis(IS_FORGETFUL ? { isPersistent: false, options: ["--save", "1 1"] } : {});
  await using world = openRedisWorld(server, { leaseS: LEASE_S, maxJobs: 8 });
  const { scheduler } = world;
  /** Of all lives. */
  const processes: PerformerProcess[] = [];
  const startPerformer = async (): Promise<PerformerProcess> => {
    const started = await world.startPerformer();
    processes.push(started);
    return started;
  };
  const performers = await Promise.all(Array.from({ length: PERFORMERS }, startPerformer));
  const story: string[] = [];
  const note = (what: string): void => void story.push(`${new Date().toISOString()} ${what}`);
  /** For whoever has to find out what happened to an attempt. */
  const fault = (tag: string, what: string): Error => {
    const told = processes.flatMap(({ pid, log }) =>
      log()
        .split("\n")
        .filter((line) => line.includes(tag))
        .map((line) => `${pid}: ${line}`),
    );
    return new Error([`${tag} ${what}`, ...story, ...told].join("\n"));
  };

  let isDone = false;
  const directories = new Map<string, string>();
  const ended = new Set<string>();
  const aliveAtEnd = new Set<string>();
  /** Seen once after their end, which may be a start that is just being refused; or twice, which nothing should be. */
  const [aliveOnce, aliveTwice] = [new Set<string>(), new Set<string>()];
  /** Interrupted before they had begun. */
  const neverBegan = new Set<string>();
  /** Those whose end nobody has told yet. */
  const waiting = new Map<SchedulerJobId, (status: SchedulerStatus & { readonly type: "ended" }) => void>();
  const patiently = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof SchedulerUnavailableError)) throw error;
        await sleep(250);
      }
    }
  };
  const noteStatus = (id: SchedulerJobId, status: SchedulerStatus): void => {
    const resolve = waiting.get(id);
    if (status.type !== "ended" || resolve === undefined) return;
    waiting.delete(id);
    ended.add(id);
    if (status.isInterrupted === true) {
      note(`${id} interrupted: ${status.outcome.reason}`);
      // Of the others one now and then is enough, as it takes a look at all processes.
      if (table.isAnyLiving(undefined, false, id)) aliveAtEnd.add(id);
      if (!linesIn(join(directories.get(id) ?? "", "ledger")).includes(id)) neverBegan.add(id);
    }
    resolve(status);
  };
  const lookAtLiving = (): void => {
    for (const tag of table.livingTags()) if (ended.has(tag)) (aliveOnce.has(tag) ? aliveTwice : aliveOnce).add(tag);
  };
  /** As the poller of a daemon: one question for all. */
  const poll = async (): Promise<void> => {
    while (!isDone) {
      await sleep(500);
      lookAtLiving();
      const statuses = await patiently(() => scheduler.statuses([...waiting.keys()], signal));
      for (const [id, status] of statuses) noteStatus(id, status);
    }
  };
  scheduler.listen?.(noteStatus);

  const runJob = async (number: number): Promise<{ readonly directory: string; readonly lastTag: string }> => {
    const random = randomOf(SEED * JOBS + number);
    const directory = await world.makeDirectory();
    for (let attempt = 1; ; attempt++) {
      const tag = attemptTag(`c${process.pid}x${SEED}`, jobId(number), attempt);
      directories.set(tag, directory);
      const job = jobIn(directory, command(tag, secondsOf(random)));
      const { promise: end, resolve } = Promise.withResolvers<SchedulerStatus & { readonly type: "ended" }>();
      const id = await patiently(() => scheduler.submit(job, tag, signal));
      waiting.set(id, resolve);
      const { isInterrupted, outcome } = await end;
      await patiently(async () => scheduler.forget?.(id));
      if (isInterrupted !== true) {
        expect(outcome).toEqual({ isOk: true, returnCode: 0, reason: null, host: hostname() });
        return { directory, lastTag: tag };
      }
    }
  };
  let submitted = 0;
  const results: Awaited<ReturnType<typeof runJob>>[] = [];
  const runJobs = async (): Promise<void> => {
    while (submitted < JOBS) results.push(await runJob(++submitted));
  };

  const troubleEndsMs = performance.now() + TROUBLE_MS;
  const isTroubled = (): boolean => !isDone && performance.now() < troubleEndsMs;
  const troublePerformer = async (index: number): Promise<void> => {
    const random = randomOf(SEED * PERFORMERS + index);
    while (isTroubled()) {
      await sleep(random.int(6_000));
      const performer = performers[index] as PerformerProcess;
      const what = random.pick(["killed", "killed", "stopped", "frozen", "frozen"]);
      // Every other time it is back before it is lost.
      const awayMs = random.int(2 * LEASE_S * 1_000);
      note(`performer ${performer.pid} ${what}`);
      if (what === "frozen") {
        performer.child.kill("SIGSTOP");
        await sleep(awayMs);
        performer.child.kill("SIGCONT");
        note(`performer ${performer.pid} goes on`);
        continue;
      }
      await performer.stop(what === "killed" ? "SIGKILL" : "SIGTERM");
      if (what === "killed") await sleep(awayMs);
      performers[index] = await startPerformer();
    }
  };
  const troubleRedis = async (): Promise<void> => {
    const random = randomOf(SEED);
    while (isTroubled()) {
      await sleep(1_000 + random.int(8_000));
      const isKilled = random.chance(0.6);
      note(`Redis ${isKilled ? "killed" : "frozen"}`);
      if (isKilled) await server.stop("SIGKILL");
      else server.freeze();
      await sleep(random.int(2_000));
      if (isKilled) await server.start();
      else server.thaw();
      note("Redis goes on");
    }
  };
  const troubled = Promise.all([...performers.map((_, index) => troublePerformer(index)), troubleRedis(), poll()]);
  const ran = Promise.all(Array.from({ length: IN_FLIGHT }, runJobs));
  try {
    // Trouble that fails is a fault of the test, and jobs may wait for ever then.
    await Promise.race([ran, troubled]);
  } finally {
    isDone = true;
  }
  await troubled;

  for (const tag of aliveAtEnd) throw fault(tag, "was alive when its end was told");
  for (const tag of aliveTwice) throw fault(tag, "was alive after its end was told");
  expect(results).toHaveLength(JOBS);
  let starts = 0;
  for (const { directory, lastTag } of results) {
    const tags = linesIn(join(directory, "ledger"));
    for (const [at, tag] of tags.entries()) {
      if (tags.indexOf(tag) !== at) throw fault(tag, "began twice");
      if (neverBegan.has(tag)) throw fault(tag, "began after its end was told");
    }
    for (const tag of linesIn(join(directory, "two_alive"))) throw fault(tag, "began while another one lived");
    if (tags.at(-1) !== lastTag) throw fault(lastTag, "has ended well and did not begin");
    starts += tags.length;
  }
  // Or there was no trouble.
  expect(starts).toBeGreaterThan(JOBS);
});
