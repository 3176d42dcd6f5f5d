import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { createNodeRedisClient, Worker } from "bullmq";
import { createClient } from "redis";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { queueKeys } from "../../../../adapters/scheduler/redis/queue_keys.ts";
import { encodeAttempt } from "../../../../adapters/scheduler/redis/queue_messages.ts";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { type AttemptTag, type SchedulerJobId, schedulerJobId } from "../../../../src/core/ids.ts";
import type { Outcome, SchedulerStatus } from "../../../../src/core/job.ts";
import type { Scheduler } from "../../../../src/ports/scheduler.ts";
import { freshTag, jobIn, pidsIn, signal } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { type RedisServer, startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld, type RedisWorld } from "../../../support/redis_world.ts";

// Leases of seconds have to run out.
setDefaultTimeout(180_000);

/** Where a lease has to run out, or to last. */
const LEASE_S = 6;
const LEASE_MS = LEASE_S * 1000;
/** Where performers have to tell something with a renewal. */
const TELLING_S = 30;
const table = processTable();

const GOOD: Outcome = { isOk: true, returnCode: 0, reason: null, host: hostname() };

/** Ends well when `go` is there; writes down each start, and which processes it has. */
const WAITS =
  "echo start >>ledger; echo $$ >>pids; sleep 300 & echo $! >>pids; until [ -e go ]; do sleep 0.05; done; kill $!";

async function startWaiting(world: RedisWorld): Promise<Waiting> {
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const id = await world.scheduler.submit(jobIn(directory, WAITS), tag, signal);
  const status = await eventually(
    "a command that runs",
    async () => {
      const told = await statusOf(world.scheduler, id);
      return told?.type !== "queued" && told;
    },
    60_000,
  );
  // On a busy machine a short lease may be over before the command runs.
  if (status.type === "ended") return await startWaiting(world);
  return { id, tag, directory, pids: await pidsIn(world, directory, "pids", 2) };
}

interface Waiting {
  readonly id: SchedulerJobId;
  readonly tag: AttemptTag;
  readonly directory: string;
  readonly pids: readonly number[];
}

/** Asks until there is an answer. */
const statusOf = async (scheduler: Scheduler, id: SchedulerJobId): Promise<SchedulerStatus | undefined> => {
  const answer = await eventually("an answer of Redis", () =>
    scheduler.statuses([id], signal).catch((error: unknown) => {
      if (error instanceof SchedulerUnavailableError) return undefined;
      throw error;
    }),
  );
  return answer.get(id);
};

const untilEnded = (scheduler: Scheduler, id: SchedulerJobId): Promise<Outcome> =>
  eventually(`the end of ${id}`, async () => {
    const status = await statusOf(scheduler, id);
    return status?.type === "ended" && status.outcome;
  });

const anyLives = (pids: readonly number[]): boolean => pids.some((pid) => table.read(pid) !== undefined);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.concurrent("a performer", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("that is killed loses its command as interrupted, and nothing of that lives when it is told", async () => {
    await using world = openRedisWorld(server, { leaseS: LEASE_S });
    const performer = await world.startPerformer();
    const { id, pids, directory } = await startWaiting(world);
    const livingAtEnd = new Promise<boolean>((resolve) => {
      world.scheduler.listen?.((about, status) => {
        if (about === id && status.type === "ended") resolve(anyLives(pids));
      });
    });
    await performer.stop("SIGKILL");
    expect(await livingAtEnd).toBe(false);
    expect(await statusOf(world.scheduler, id)).toMatchObject({
      type: "ended",
      outcome: {
        isOk: false,
        reason: `The performer was lost: nothing was heard of it for ${LEASE_S} s`,
        host: hostname(),
      },
      isInterrupted: true,
    });
    expect(await world.read(directory, "ledger")).toBe("start\n");
  });

  test("that is started again in time takes the commands over", async () => {
    await using world = openRedisWorld(server);
    const performer = await world.startPerformer();
    const { id, pids, directory } = await startWaiting(world);
    const { leases } = queueKeys(world.options.queue);
    const leaseEndMs = (): number => Number(server.cli("zrange", leases, "0", "-1", "withscores").split("\n")[1]);
    await performer.stop("SIGKILL");
    const firstEndMs = leaseEndMs();
    const next = await world.startPerformer();
    await eventually("the take-over", () => next.log().includes("were taken over"), 60_000);
    await eventually("the lease of the second life", () => leaseEndMs() > firstEndMs);
    expect(anyLives(pids)).toBe(true);
    await world.write(directory, "go", "");
    expect(await untilEnded(world.scheduler, id)).toEqual(GOOD);
    expect(await world.read(directory, "ledger")).toBe("start\n");
  });

  test("that is started again too late ends nothing but what is left, and works on", async () => {
    await using world = openRedisWorld(server, { leaseS: LEASE_S });
    const performer = await world.startPerformer();
    const { id } = await startWaiting(world);
    await performer.stop("SIGKILL");
    await untilEnded(world.scheduler, id);
    await world.startPerformer();
    const later = await startWaiting(world);
    await world.write(later.directory, "go", "");
    expect(await untilEnded(world.scheduler, later.id)).toMatchObject({ isOk: true });
  });

  test("that stands still loses its command, which is dead by then, and works on afterwards", async () => {
    await using world = openRedisWorld(server, { leaseS: LEASE_S });
    const performer = await world.startPerformer();
    const { id, pids } = await startWaiting(world);
    performer.child.kill("SIGSTOP");
    try {
      await eventually("the loss", async () => (await statusOf(world.scheduler, id))?.type === "ended");
      expect(anyLives(pids)).toBe(false);
      expect(await statusOf(world.scheduler, id)).toMatchObject({ isInterrupted: true });
    } finally {
      performer.child.kill("SIGCONT");
    }
    const later = await startWaiting(world);
    await world.write(later.directory, "go", "");
    expect(await untilEnded(world.scheduler, later.id)).toMatchObject({ isOk: true });
  });

  test("obeys a cancellation whose message was lost", async () => {
    await using world = openRedisWorld(server, { leaseS: TELLING_S });
    await world.startPerformer();
    const { id, pids } = await startWaiting(world);
    const key = server.cli("keys", `*:attempt:${id}`);
    server.cli("hset", key, "cancel", "1");
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: -15 });
    expect(anyLives(pids)).toBe(false);
  });

  test("takes no more than max_jobs, and several performers share a queue", async () => {
    await using world = openRedisWorld(server, { leaseS: TELLING_S, maxJobs: 2 });
    await world.startPerformer();
    const jobs: { readonly directory: string; readonly id: SchedulerJobId }[] = [];
    for (let count = 0; count < 5; count++) {
      const directory = await world.makeDirectory();
      jobs.push({ directory, id: await world.scheduler.submit(jobIn(directory, WAITS), freshTag(), signal) });
    }
    const started = async () => {
      const ledgers = await Promise.all(jobs.map(({ directory }) => world.read(directory, "ledger")));
      return ledgers.filter((ledger) => ledger !== undefined).length;
    };
    await eventually("two starts", async () => (await started()) === 2);
    await world.startPerformer();
    await eventually("four starts", async () => (await started()) === 4);
    await sleep(500);
    expect(await started()).toBe(4);
    // Without a renewal, which would come only after a while.
    const present = (await world.scheduler.performers?.(signal)) ?? [];
    expect(present.map(({ running }) => running)).toEqual([2, 2]);
    for (const each of present) expect(each).toMatchObject({ host: hostname(), capacity: 2, isDraining: false });
    const begun = jobs.filter(({ directory }) => existsSync(join(directory, "ledger")));
    const tags = present.flatMap((each): readonly string[] => each.tags);
    expect(tags.toSorted()).toEqual(begun.map(({ id }) => String(id)).toSorted());
    expect(new Set(present.map(({ pid }) => pid)).size).toBe(2);
    for (const { directory } of jobs) await world.write(directory, "go", "");
    for (const { id, directory } of jobs) {
      expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
      expect(await world.read(directory, "ledger")).toBe("start\n");
    }
  });

  test("answers for a message that it does not understand, and runs nothing of it", async () => {
    await using world = openRedisWorld(server);
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, "touch ran"), freshTag(), signal);
    const key = server.cli("keys", `*:attempt:${id}`);
    server.cli("hset", key, "message", server.cli("hget", key, "message").replace('"version":1', '"version":0'));
    await world.startPerformer();
    const { reason } = await untilEnded(world.scheduler, id);
    expect(reason).toBe(
      "Message in Redis (attempt): expected version 1, got 0; daemon and performers must be of the same version",
    );
    expect(await world.read(directory, "ran")).toBeUndefined();
  });

  test("leaves a message of a newer version to others, and says so", async () => {
    await using world = openRedisWorld(server);
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, "true"), freshTag(), signal);
    const { attempt } = queueKeys(world.options.queue);
    const message = server.cli("hget", attempt(id), "message");
    server.cli("hset", attempt(id), "message", message.replace('"version":1', '"version":2'));
    const performer = await world.startPerformer();
    await eventually("the word", () => performer.log().includes("are left to performers of that version"));
    expect(await statusOf(world.scheduler, id)).toEqual({ type: "queued" });
    // As if another performer had come that understands it.
    server.cli("hset", attempt(id), "message", message);
    expect(await untilEnded(world.scheduler, id)).toEqual(GOOD);
    expect(performer.log().split("are left to performers").length).toBe(2);
  });

  test("ends what a command has left in the background, also outside of its session", async () => {
    await using world = openRedisWorld(server);
    await world.startPerformer();
    const directory = await world.makeDirectory();
    const command = "setsid sh -c 'echo $$ >>pids; exec sleep 300' & sleep 300 & echo $! >>pids; sleep 0.3";
    const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    const pids = await pidsIn(world, directory, "pids", 2);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
    await eventually("the end of what is left", () => !anyLives(pids));
  });

  test("runs a job of which it never heard that it has begun it", async () => {
    await using world = openRedisWorld(server, { leaseS: TELLING_S });
    await world.startPerformer();
    const keys = queueKeys(world.options.queue);
    const name = await eventually("its name", () => server.cli("hkeys", keys.performers) || undefined);
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const message = encodeAttempt({ tag, directory, command: "echo start >>ledger", application: "a", submitter: "s" });
    const life = /run_id:(\w+)/.exec(server.cli("info", "server"))?.[1] ?? "";
    server.cli("hset", keys.attempt(tag), "state", "begun", "by", name, "life", life, "message", message);
    server.cli("sadd", keys.begunBy(name), tag);
    expect(await untilEnded(world.scheduler, schedulerJobId(tag))).toMatchObject({ isOk: true });
    expect(await world.read(directory, "ledger")).toBe("start\n");
  });

  test("is not needed to cancel a job that waits", async () => {
    await using world = openRedisWorld(server);
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, "touch ran"), freshTag(), signal);
    await world.scheduler.cancel(id, signal);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: null });
    await world.scheduler.forget?.(id);
    await world.startPerformer();
    const later = await startWaiting(world);
    expect(await world.read(directory, "ran")).toBeUndefined();
    await world.write(later.directory, "go", "");
    await untilEnded(world.scheduler, later.id);
  });
});

describe.concurrent("a performer that is killed", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("between taking a job and beginning it leaves it to another", async () => {
    await using world = openRedisWorld(server);
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, "echo start >>ledger"), freshTag(), signal);
    const { prefix, queueName } = queueKeys(world.options.queue);
    const client = await createClient({ url: server.dsn }).connect();
    const worker = new Worker(queueName, null, {
      ...{ connection: createNodeRedisClient(client), prefix, autorun: false, lockDuration: 1_000 },
    });
    worker.on("error", () => undefined);
    expect((await worker.getNextJob("taken", { block: true }))?.id).toBe(id);
    await worker.close(true);
    if (client.isOpen) client.destroy();
    await world.startPerformer();
    await eventually("the start", async () => (await world.read(directory, "ledger")) !== undefined, 60_000);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
    expect(await world.read(directory, "ledger")).toBe("start\n");
  });

  test("between beginning a job and starting its command starts it in its next life", async () => {
    await using world = openRedisWorld(server);
    const performer = await world.startPerformer();
    const keys = queueKeys(world.options.queue);
    const name = await eventually("its name", () => server.cli("hkeys", keys.performers) || undefined);
    await performer.stop("SIGKILL");
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, "echo start >>ledger"), freshTag(), signal);
    server.cli("hset", keys.attempt(id), "state", "begun", "by", name);
    server.cli("sadd", keys.begunBy(name), id);
    await world.startPerformer();
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
    expect(await world.read(directory, "ledger")).toBe("start\n");
  });

  test("between the end of a command and telling it tells it in its next life", async () => {
    // Of its own, as it stands still for a while.
    await using server = await startRedis();
    await using world = openRedisWorld(server);
    const performer = await world.startPerformer();
    const { id, directory } = await startWaiting(world);
    server.freeze();
    await world.write(directory, "go", "");
    await eventually("the end of the command", async () => (await world.read(directory, "returncode")) === "0");
    await performer.stop("SIGKILL");
    server.thaw();
    await world.startPerformer();
    expect(await untilEnded(world.scheduler, id)).toEqual(GOOD);
    expect(await world.read(directory, "ledger")).toBe("start\n");
  });
});

describe.concurrent("a Redis", () => {
  for (const end of ["SIGTERM", "SIGKILL"] as const) {
    test(`that ends by ${end} and comes back late costs no command, and what it had is not lost`, async () => {
      await using server = await startRedis();
      await using world = openRedisWorld(server, { leaseS: LEASE_S, maxJobs: 2 });
      await world.startPerformer();
      const [first, second] = [await startWaiting(world), await startWaiting(world)];
      const queued = await world.makeDirectory();
      const queuedId = await world.scheduler.submit(jobIn(queued, "echo start >>ledger"), freshTag(), signal);
      await server.stop(end);
      const away = world.scheduler.submit(jobIn(queued, "true"), freshTag(), signal);
      await expect(away).rejects.toBeInstanceOf(SchedulerUnavailableError);
      await world.write(first.directory, "go", "");
      await sleep(2 * LEASE_MS);
      expect(anyLives(second.pids)).toBe(true);
      await server.start();
      expect(await untilEnded(world.scheduler, first.id)).toMatchObject({ isOk: true });
      expect(await untilEnded(world.scheduler, queuedId)).toMatchObject({ isOk: true });
      await sleep(2 * LEASE_MS);
      expect(await statusOf(world.scheduler, second.id)).toEqual({ type: "running" });
      await world.write(second.directory, "go", "");
      expect(await untilEnded(world.scheduler, second.id)).toMatchObject({ isOk: true });
      for (const directory of [first.directory, second.directory, queued]) {
        expect(await world.read(directory, "ledger")).toBe("start\n");
      }
    });
  }

  test("that is away does not keep a performer without jobs from stopping", async () => {
    await using server = await startRedis();
    await using world = openRedisWorld(server);
    const performer = await world.startPerformer();
    const { id, directory } = await startWaiting(world);
    await world.write(directory, "go", "");
    await untilEnded(world.scheduler, id);
    await server.stop("SIGKILL");
    await eventually("the outage", () => performer.log().includes("Redis cannot be reached"));
    expect(await performer.stop("SIGTERM")).toBe(0);
  });

  test("that has lost its data hears of what runs, and gets again what had not started", async () => {
    await using server = await startRedis({ isPersistent: false });
    await using world = openRedisWorld(server, { leaseS: LEASE_S, maxJobs: 1 });
    await world.startPerformer();
    const { id, directory } = await startWaiting(world);
    const queued = await world.makeDirectory();
    const queuedId = await world.scheduler.submit(jobIn(queued, "echo start >>ledger"), freshTag(), signal);
    await server.stop("SIGKILL");
    await server.start();
    await sleep(LEASE_MS);
    expect(await statusOf(world.scheduler, id)).toEqual({ type: "running" });
    await world.write(directory, "go", "");
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
    expect(await untilEnded(world.scheduler, queuedId)).toMatchObject({ isOk: true });
    expect(await world.read(queued, "ledger")).toBe("start\n");
    expect(await world.read(directory, "ledger")).toBe("start\n");
  });

  test("that stands still for a moment costs nothing; for longer, commands that are dead before it goes on", async () => {
    await using server = await startRedis();
    await using world = openRedisWorld(server, { leaseS: LEASE_S });
    await world.startPerformer();
    const { id, pids } = await startWaiting(world);
    server.freeze();
    await sleep(LEASE_MS / 4);
    server.thaw();
    await sleep(LEASE_MS);
    expect(await statusOf(world.scheduler, id)).toEqual({ type: "running" });
    server.freeze();
    await eventually("the end of the command", () => !anyLives(pids));
    await sleep(LEASE_MS);
    server.thaw();
    await untilEnded(world.scheduler, id);
    expect(await statusOf(world.scheduler, id)).toMatchObject({ isInterrupted: true });
  });
});
