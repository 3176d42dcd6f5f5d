import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { freshTag, jobIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld } from "../../../support/redis_world.ts";

setDefaultTimeout(120_000);

/** Ends well when `go` is there; writes down each start. */
const WAITS = "echo start >>ledger; until [ -e go ]; do sleep 0.05; done";

/** A server that comes back with what it knew when it was last told to save. */
async function setup() {
  const server = await startRedis({ isPersistent: false });
  // Renewals come too seldom to be of help.
  const world = openRedisWorld(server, { leaseS: 600, maxJobs: 4 });
  const submit = async () => {
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, WAITS), freshTag(), signal);
    return {
      id,
      ledger: () => world.read(directory, "ledger"),
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
