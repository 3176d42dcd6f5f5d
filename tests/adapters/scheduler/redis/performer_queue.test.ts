import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { performerQueue } from "../../../../adapters/scheduler/redis/performer_queue.ts";
import { queueKeys } from "../../../../adapters/scheduler/redis/queue_keys.ts";
import type { SchedulerJobId } from "../../../../src/core/ids.ts";
import type { SchedulerStatus } from "../../../../src/core/job.ts";
import type { AttemptEnd, OwnAttempt } from "../../../../src/ports/attempt_queue.ts";
import type { Clock } from "../../../../src/ports/clock.ts";
import { freshTag, jobIn, signal } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { type RedisServer, startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld } from "../../../support/redis_world.ts";

setDefaultTimeout(120_000);

const PERFORMER = "host-0123456789ab";
const GOOD: AttemptEnd = { type: "ended", outcome: { isOk: true, returnCode: 0, reason: null } };

/** A daemon and a performer whose every step is the test's. */
async function setup(
  server: RedisServer,
  {
    settleMs = 0,
    leaseS = 300,
    daemonLeaseS = leaseS,
  }: { settleMs?: number; leaseS?: number; daemonLeaseS?: number } = {},
) {
  const world = openRedisWorld(server, { leaseS: daemonLeaseS });
  const { dsn, tls, queue, logger } = world.options;
  const leaseMs = leaseS * 1000;
  let laterMs = 0;
  const clock: Clock = { ...world.options.clock, monotonicMs: () => performance.now() + laterMs };
  const about = { release: "1", destination: "far", host: "here", pid: 1, sinceMs: 0, capacity: 1 };
  const performer = performerQueue({
    ...{ dsn, tls, queue, performer: PERFORMER, leaseMs, about, isRefusalTrusted: false, settleMs, clock, logger },
  });
  const renew = (held: readonly OwnAttempt[]) =>
    performer.renew(held, { running: held.length, isDraining: false }, true, signal);
  const keys = queueKeys(queue);
  await eventually("a lease", () => renew([]).catch(() => undefined));
  return {
    ...{ world, performer, renew },
    later(ms: number) {
      laterMs += ms;
    },
    /** A job that the performer has begun. */
    async begun(): Promise<OwnAttempt> {
      const job = jobIn(await world.makeDirectory(), "true");
      await world.scheduler.submit(job, freshTag(), signal);
      return await eventually("the job", () => performer.take(() => true, false, signal));
    },
    stateOf: ({ tag }: OwnAttempt) => server.cli("hget", keys.attempt(tag), "state"),
    statusOf: async ({ tag }: OwnAttempt) => {
      const id = tag as string as SchedulerJobId;
      return (await world.scheduler.statuses([id], signal)).get(id);
    },
    /** As a server that has lost its data. */
    lose({ tag }: OwnAttempt) {
      server.cli("del", keys.attempt(tag));
      server.cli("srem", keys.begunBy(PERFORMER), tag);
    },
    async [Symbol.asyncDispose]() {
      await performer.close();
      await world[Symbol.asyncDispose]();
    },
  };
}

describe.concurrent("an attempt whose end a performer has told", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("and which its daemon has forgotten is not brought back by a renewal that still names it", async () => {
    await using t = await setup(server);
    const own = await t.begun();
    await t.performer.ended(own.tag, GOOD, signal);
    await t.world.scheduler.forget?.(own.tag as string as SchedulerJobId);
    await t.renew([own]);
    expect(t.stateOf(own)).toBe("");
    expect(await t.performer.resume(signal)).toEqual([]);
  });

  test("while a renewal told of it a server that had lost it is told again, and not resumed", async () => {
    await using t = await setup(server);
    const own = await t.begun();
    t.lose(own);
    await Promise.all([t.renew([own]), t.performer.ended(own.tag, GOOD, signal)]);
    expect(t.stateOf(own)).toBe("begun");
    expect(await t.renew([])).toMatchObject({ unclaimed: [own.tag] });
    expect(await t.performer.resume(signal)).toEqual([]);
    expect(await t.statusOf(own)).toMatchObject(GOOD);
  });

  test("before any renewal told of it a server that had lost it reaches its daemon all the same", async () => {
    await using t = await setup(server);
    const own = await t.begun();
    t.lose(own);
    const told = new Promise<unknown>((resolve) => t.world.scheduler.listen?.((...news) => resolve(news)));
    await t.performer.ended(own.tag, GOOD, signal);
    expect(await told).toEqual([own.tag, expect.objectContaining({ type: "ended", outcome: expect.anything() })]);
  });
});

test("nothing is begun by a lease that is so new that a server which is killed could forget it", async () => {
  await using server = await startRedis();
  await using t = await setup(server, { settleMs: 600_000 });
  await t.world.scheduler.submit(jobIn(await t.world.makeDirectory(), "true"), freshTag(), signal);
  const take = () => t.performer.take(() => true, false, signal);
  expect(await take()).toBeUndefined();
  t.later(299_000);
  await t.renew([]);
  expect(await take()).toBeUndefined();
  // Others may have it meanwhile.
  const { queueName, prefix } = queueKeys(t.world.options.queue);
  expect(server.cli("llen", `${prefix}:${queueName}:wait`)).toBe("1");
  t.later(301_000);
  expect(await take()).toBeDefined();
});

test("who no longer wants to take a job is told that in his own words", async () => {
  await using server = await startRedis();
  await using t = await setup(server);
  const abort = new AbortController();
  const taken = t.performer.take(() => true, false, abort.signal);
  const reason = new Error("I have gone home");
  abort.abort(reason);
  // Or it would be logged as a fault each time that a performer stops.
  await expect(taken).rejects.toMatchObject({ cause: { cause: reason } });
});

test("what a daemon wants forgotten while the server is away goes when that is back", async () => {
  await using server = await startRedis();
  await using t = await setup(server);
  const own = await t.begun();
  await t.performer.ended(own.tag, GOOD, signal);
  await server.stop("SIGKILL");
  await t.world.scheduler.forget?.(own.tag as string as SchedulerJobId).catch(() => undefined);
  await server.start();
  await eventually("the result to go", () => t.stateOf(own) === "");
});

test("a performer counts as lost only after its own heartbeat_timeout, when that of the daemon is shorter", async () => {
  const leaseS = 5;
  await using server = await startRedis();
  await using t = await setup(server, { leaseS, daemonLeaseS: 3 });
  const own = await t.begun();
  const told = new Promise<SchedulerStatus>((resolve) => t.world.scheduler.listen?.((_, status) => resolve(status)));
  const renewedAtMs = performance.now();
  await t.renew([own]);
  expect(await told).toMatchObject({
    isInterrupted: true,
    outcome: { reason: `The performer was lost: nothing was heard of it for ${leaseS} s` },
  });
  expect(performance.now() - renewedAtMs).toBeGreaterThanOrEqual(leaseS * 1000);
});

test("whether a performer is silent is told by its own heartbeat_timeout", async () => {
  await using server = await startRedis();
  await using t = await setup(server, { leaseS: 60, daemonLeaseS: 600 });
  expect(await t.world.scheduler.performers?.(signal)).toMatchObject([{ silentForMs: null }]);
});
