import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { performerQueue } from "../../../../adapters/scheduler/redis/performer_queue.ts";
import { queueKeys } from "../../../../adapters/scheduler/redis/queue_keys.ts";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { freshTag, jobIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld } from "../../../support/redis_world.ts";

setDefaultTimeout(120_000);

/** Ends well when `go` is there; writes down each start. */
const WAITS = "echo start >>ledger; echo $$ >>pids; until [ -e go ]; do sleep 0.05; done";

/** By then performers begin on a server that has come back. */
const SETTLED_MS = 3_000;

const table = processTable();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A server that comes back with what it knew when it was last told to save. */
async function setup(leaseS = 600) {
  const server = await startRedis({ isPersistent: false });
  // Renewals come too seldom to be of help.
  const world = openRedisWorld(server, { leaseS, maxJobs: 4 });
  const submit = async () => {
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, WAITS), freshTag(), signal);
    return {
      id,
      ledger: () => world.read(directory, "ledger"),
      pids: () => world.read(directory, "pids"),
      finish: () => world.write(directory, "go", ""),
      status: async () => (await world.scheduler.statuses([id], signal)).get(id)?.type,
    };
  };
  type Submitted = Awaited<ReturnType<typeof submit>>;
  return {
    ...{ server, world, submit },
    untilRunning: ({ status }: Submitted) =>
      eventually("a command that runs", async () => (await status()) === "running"),
    async untilForgotten({ id, finish }: Submitted) {
      await finish();
      expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
      await world.scheduler.forget?.(id);
      const isKnown = () =>
        readdirSync(join(world.root, "jobs"), { recursive: true }).some((path) => `${path}`.endsWith(id));
      await eventually("the performer to forget it, too", () => !isKnown());
    },
    async crash() {
      await server.stop("SIGKILL");
      await server.start();
    },
    untilAnswers: () =>
      eventually("an answer of Redis", () =>
        world.scheduler.find(freshTag(), signal).then(
          () => true,
          () => false,
        ),
      ),
    /** All that was to be begun before is begun then, as tags come in turn. */
    async untilLaterOnesRun() {
      const later = await eventually("an answer of Redis", () => submit().catch(() => undefined));
      await later.finish();
      expect(await untilEnded(world.scheduler, later.id)).toMatchObject({ isOk: true });
    },
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test.concurrent("what waits for a server that comes back begins once, whether that has forgotten its beginning, its end or its cancellation", async () => {
  await using t = await setup();
  const [running, over, cancelled] = [await t.submit(), await t.submit(), await t.submit()];
  t.server.cli("save");
  await t.world.scheduler.cancel(cancelled.id, signal);
  await t.world.startPerformer();
  await t.untilRunning(running);
  await t.untilForgotten(over);
  await t.crash();
  await t.untilLaterOnesRun();
  expect(await running.status()).toBe("running");
  await running.finish();
  expect(await untilEnded(t.world.scheduler, running.id)).toMatchObject({ isOk: true });
  expect([await running.ledger(), await over.ledger()]).toEqual(["start\n", "start\n"]);
  expect(await cancelled.ledger()).toBeUndefined();
});

test.concurrent("what waits begins after a server has come back, with a daemon that was away meanwhile", async () => {
  await using t = await setup();
  const waiting = await t.submit();
  await t.world.scheduler.close();
  t.server.cli("save");
  await t.crash();
  await t.world.startPerformer();
  await t.world.reopen();
  await waiting.finish();
  expect(await untilEnded(t.world.scheduler, waiting.id)).toMatchObject({ isOk: true });
  expect(await waiting.ledger()).toBe("start\n");
});

test.concurrent("what has begun and ended is not begun again when the server has forgotten both, and the daemon has heard of neither", async () => {
  await using t = await setup();
  const over = await t.submit();
  await over.finish();
  t.server.cli("save");
  await t.world.scheduler.close();
  await t.world.startPerformer();
  const key = t.server.cli("keys", `*:attempt:${over.id}`);
  await eventually("the end", () => t.server.cli("hget", key, "state") === "ended");
  await t.crash();
  const daemon = await t.world.reopen();
  expect(await untilEnded(daemon, over.id)).toMatchObject({ isOk: true });
  await t.untilLaterOnesRun();
  expect(await over.ledger()).toBe("start\n");
});

for (const isKilled of [false, true]) {
  test.concurrent(`what has ended is not run again by a performer of which a server that comes back says that it has it: ${isKilled ? "in its next life" : "in the same life"}`, async () => {
    await using t = await setup();
    const performer = await t.world.startPerformer();
    const over = await t.submit();
    await t.untilRunning(over);
    t.server.cli("save");
    await t.untilForgotten(over);
    if (isKilled) await performer.stop("SIGKILL");
    await t.crash();
    if (isKilled) await t.world.startPerformer();
    await t.untilLaterOnesRun();
    expect(await over.ledger()).toBe("start\n");
  });
}

test.concurrent("what a performer has begun is not submitted again when the server has forgotten all, though its start was not told yet", async () => {
  await using t = await setup(8);
  const { dsn, tls, queue, leaseMs, clock } = t.world.options;
  const about = { release: "1", destination: "far", host: "here", pid: 1, sinceMs: 0, capacity: 1 };
  const performer = performerQueue({
    ...{ dsn, tls, queue, performer: "host-0123456789ab", leaseMs, about, isRefusalTrusted: false, settleMs: 0, clock },
    logger: t.world.logger,
  });
  const job = await t.submit();
  const takeIt = async () => {
    await performer.renew([], { running: 0, isDraining: false }, true, signal);
    return await performer.take(() => true, false, signal);
  };
  const own = await eventually("the job", () => takeIt().catch(() => undefined));
  expect(String(own.tag)).toBe(String(job.id));
  await performer.close();
  await t.crash();
  const outcome = await eventually("the end", async () => {
    const found = await t.world.scheduler.statuses([job.id], signal).catch(() => undefined);
    const status = found?.get(job.id);
    return status?.type === "ended" && status;
  });
  expect(outcome).toMatchObject({
    outcome: { isOk: false, reason: "Redis has lost the job, and no performer has it" },
    isInterrupted: true,
  });
});

/** Performers that stand still when the server comes back, and have begun what it does not know of. */
describe.concurrent("a command whose beginning the server has forgotten, and whose performer is silent", () => {
  /** @param hasHeard whether the daemon knows that the command runs */
  async function forgottenBeginning(t: Awaited<ReturnType<typeof setup>>, hasHeard: boolean, isWholeGone = false) {
    const performer = await t.world.startPerformer();
    const { leases } = queueKeys(t.world.options.queue);
    await eventually("the lease", () => t.server.cli("zcard", leases) === "1");
    performer.child.kill("SIGSTOP");
    const job = await t.submit();
    if (!isWholeGone) t.server.cli("save");
    if (!hasHeard) await t.world.scheduler.close();
    performer.child.kill("SIGCONT");
    const pid = Number(await eventually("a command that runs", async () => (await job.pids())?.split("\n")[0]));
    if (hasHeard) await t.untilRunning(job);
    performer.child.kill("SIGSTOP");
    await t.crash();
    return { performer, job, pid };
  }

  test("does not begin elsewhere, though a new daemon believes that it waits", async () => {
    await using t = await setup();
    const { performer, job } = await forgottenBeginning(t, false);
    await t.world.startPerformer();
    await t.world.reopen();
    expect(await eventually("an answer of Redis", () => job.status().catch(() => undefined))).toBe("queued");
    await t.untilLaterOnesRun();
    expect(await job.ledger()).toBe("start\n");
    performer.child.kill("SIGCONT");
    await t.untilRunning(job);
    await job.finish();
    expect(await untilEnded(t.world.scheduler, job.id)).toMatchObject({ isOk: true });
    expect(await job.ledger()).toBe("start\n");
  });

  test.each([
    ["", false, true],
    [" by a new daemon", false, false],
    [", as all else", true, true],
  ])("is not believed dead when it is cancelled%s", async (_, isWholeGone, hasHeard) => {
    await using t = await setup();
    const { performer, job, pid } = await forgottenBeginning(t, hasHeard, isWholeGone);
    if (!hasHeard) await t.world.reopen();
    let isOver = false;
    const cancelled = eventually("the cancellation", async () => {
      try {
        await t.world.scheduler.cancel(job.id, signal);
        isOver = true;
        return { isAlive: table.read(pid) !== undefined };
      } catch (error) {
        if (error instanceof SchedulerUnavailableError) return undefined;
        throw error;
      }
    });
    await t.untilAnswers();
    await sleep(SETTLED_MS);
    expect(isOver).toBe(false);
    performer.child.kill("SIGCONT");
    expect(await cancelled).toEqual({ isAlive: false });
  });
});
