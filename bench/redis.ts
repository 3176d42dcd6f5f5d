/**
 * Jobs through Redis: no-op jobs per second through 1, 2 and 4 performers beside the queue library alone, delays from
 * submission to start, cancellations until death is proven, and what idle performers cost the Redis server.
 *
 * Everything is measured in turn, several times, as other work on the machine comes and goes; what counts is the median
 * of the ratios within one round.
 *
 *     bun bench/redis.ts [jobs] [idle performers] [rounds]
 *
 * A job leaves four files, and a disk may take longer for these than everything else takes: `TMPDIR=/dev/shm` leaves that
 * out.
 *
 * Every idle performer has three connections, so the limit of open files (`ulimit -n`) has to allow that.
 */
import { spawn } from "node:child_process";
import { createNodeRedisClient, Queue, Worker } from "bullmq";
import { createClient } from "redis";
import { systemClock } from "../adapters/clock/system_clock.ts";
import { performerQueue } from "../adapters/scheduler/redis/performer_queue.ts";
import { redisScheduler } from "../adapters/scheduler/redis/redis_scheduler.ts";
import type { Scheduler } from "../src/ports/scheduler.ts";
import { freshTag, jobIn, signal } from "../tests/conformance/scheduler_world.ts";
import { eventually } from "../tests/support/eventually.ts";
import { recordingLogger } from "../tests/support/recording_logger.ts";
import { type RedisServer, startRedis } from "../tests/support/redis_server.ts";
import { openRedisWorld, type RedisWorld } from "../tests/support/redis_world.ts";
import { perSecond, ratio, report } from "./support/report.ts";

const jobs = Number(process.argv[2] ?? 1000);
const idle = Number(process.argv[3] ?? 1000);
const rounds = Number(process.argv[4] ?? 5);
const CONCURRENCY = 4;
const PROBES = 200;
const SETTLE_MS = 6_000;
const IDLE_MS = 15_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

await using server = await startRedis();
// Nothing begins on a fresh server.
await sleep(SETTLE_MS);

{
  await using one = await worldOf(1);
  await using two = await worldOf(2);
  await using four = await worldOf(4);
  const measured = Array.from({ length: 5 }, (): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const rates = [
      await bareRate(`nothing${round}`, async () => undefined),
      await bareRate(`spawns${round}`, spawnShell),
      await through(one, jobs),
      await through(two, jobs),
      await through(four, jobs),
    ];
    for (const [index, rate] of rates.entries()) measured[index]?.push(rate);
  }
  const [bare = [], spawning = [], ...ours] = measured;
  report(`BullMQ alone, a worker that does nothing (${jobs} jobs, ${CONCURRENCY} at a time)`, perSecond(median(bare)));
  report("BullMQ alone, a worker that spawns a shell", perSecond(median(spawning)));
  for (const [index, rates] of ours.entries()) {
    report(`no-op jobs through ${[1, 2, 4][index]} performers`, perSecond(median(rates)));
    report("ratio to BullMQ with a shell", ratio(median(rates.map((rate, at) => rate / (spawning[at] ?? 1))), 1));
    report("ratio to BullMQ that does nothing", ratio(median(rates.map((rate, at) => rate / (bare[at] ?? 1))), 1));
  }
}
await delays();
await idlePerformers(server);

async function worldOf(performers: number): Promise<RedisWorld> {
  const world = openRedisWorld(server, { leaseS: 30, maxJobs: CONCURRENCY, logLevel: "info" });
  for (let count = 0; count < performers; count++) await world.startPerformer();
  await through(world, Math.min(jobs, 100));
  return world;
}

async function spawnShell(): Promise<void> {
  const child = spawn("/bin/sh", ["-c", "true"], { stdio: "ignore" });
  await new Promise((resolve) => child.once("exit", resolve));
}

async function bareRate(name: string, work: () => Promise<void>): Promise<number> {
  const client = await createClient({ url: server.dsn }).connect();
  const connection = createNodeRedisClient(client);
  const queue = new Queue(name, { connection });
  let ended = 0;
  const worker = new Worker(name, work, { connection, concurrency: CONCURRENCY });
  worker.on("completed", () => {
    ended += 1;
  });
  await worker.waitUntilReady();
  const startMs = performance.now();
  await Promise.all(Array.from({ length: jobs }, () => queue.add("noop", null)));
  await eventually("all jobs", () => ended === jobs, 600_000);
  const rate = jobs / ((performance.now() - startMs) / 1000);
  await worker.close();
  await queue.close();
  if (client.isOpen) client.destroy();
  return rate;
}

/** Calls `onEnded` for each end that is told. @returns ends that */
function follow(scheduler: Scheduler, onEnded: (id: string) => void): (() => void) | undefined {
  return scheduler.listen?.((id, status) => {
    if (status.type === "ended") onEnded(id);
  });
}

async function through({ scheduler, makeDirectory }: RedisWorld, count: number): Promise<number> {
  const directories = await Promise.all(Array.from({ length: count }, () => makeDirectory()));
  const ended = new Set<string>();
  const stopFollowing = follow(scheduler, (id) => ended.add(id));
  const startMs = performance.now();
  const ids = await Promise.all(directories.map((one) => scheduler.submit(jobIn(one, "true"), freshTag(), signal)));
  await eventually("all jobs", () => ids.every((id) => ended.has(id)), 600_000);
  const rate = count / ((performance.now() - startMs) / 1000);
  stopFollowing?.();
  for (const id of ids) await scheduler.forget?.(id);
  return rate;
}

async function delays(): Promise<void> {
  await using world = openRedisWorld(server, { leaseS: 30, maxJobs: CONCURRENCY });
  await world.startPerformer();
  const { scheduler } = world;
  const directory = await world.makeDirectory();
  const startedMs = new Map<string, number>();
  scheduler.listen?.((id, status) => {
    if (status.type === "running") startedMs.set(id, performance.now());
  });
  const starts: number[] = [];
  const cancels: number[] = [];
  for (let round = 0; round < PROBES; round++) {
    const askedMs = performance.now();
    const id = await scheduler.submit(jobIn(directory, "sleep 300"), freshTag(), signal);
    const runsMs = await eventually("the start", () => startedMs.get(id));
    starts.push(runsMs - askedMs);
    const cancelMs = performance.now();
    await scheduler.cancel(id, signal);
    cancels.push(performance.now() - cancelMs);
    await scheduler.forget?.(id);
  }
  report(`from submission to the news of the start (${PROBES})`, percentiles(starts));
  report(`from a cancellation to proven death (${PROBES})`, percentiles(cancels));
}

/** Each asks for work and renews its lease as a real one does. */
async function idlePerformers({ dsn, cli }: RedisServer): Promise<void> {
  const clock = systemClock();
  const tls = { caFile: undefined, certFile: undefined, keyFile: undefined, serverName: undefined };
  const about = { release: "bench", destination: "idle", host: "here", pid: 1, sinceMs: 0, capacity: 1 };
  const leaseMs = 30_000;
  const queue = "idle";
  let isDone = false;
  // It looks for lost ones.
  const daemon = redisScheduler({ ...{ dsn, tls, queue, leaseMs, clock }, isLocal: true, logger: recordingLogger() });
  const queues = Array.from({ length: idle }, (_, index) =>
    performerQueue({
      ...{ dsn, tls, queue, performer: `idle-${index}`, leaseMs, about, isRefusalTrusted: false },
      ...{ clock, logger: recordingLogger() },
    }),
  );
  const loops = queues.flatMap((queue) => [
    repeat(async () => void (await queue.take(() => true, false, signal))),
    repeat(async () => {
      await queue.renew([], { running: 0, isDraining: false }, true, signal);
      await sleep(leaseMs / 6);
    }),
  ]);
  await eventually("all performers", () => Number(cli("hlen", "bartender:idle:performers")) === idle, 120_000);
  const before = cpuSeconds(cli("info", "cpu"));
  await sleep(IDLE_MS);
  const used = cpuSeconds(cli("info", "cpu")) - before;
  report(`Redis with ${idle} idle performers, part of one core`, `${((100 * used * 1000) / IDLE_MS).toFixed(1)} %`);
  report("its connections", cli("client", "list").split("\n").length.toString());
  report("its memory", /used_memory_human:(\S+)/.exec(cli("info", "memory"))?.[1] ?? "");
  isDone = true;
  for (const each of queues) await each.close();
  await daemon.close();
  await Promise.allSettled(loops);

  async function repeat(work: () => Promise<void>): Promise<void> {
    while (!isDone) await work().catch(() => sleep(200));
  }
}

function cpuSeconds(info: string): number {
  return ["used_cpu_user", "used_cpu_sys"]
    .map((name) => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1] ?? 0))
    .reduce((sum, seconds) => sum + seconds, 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function percentiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): string => (sorted[Math.floor(part * (sorted.length - 1))] ?? 0).toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
