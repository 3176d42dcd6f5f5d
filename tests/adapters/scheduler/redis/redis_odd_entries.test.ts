import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { queueKeys } from "../../../../adapters/scheduler/redis/queue_keys.ts";
import { encodePerformer } from "../../../../adapters/scheduler/redis/queue_messages.ts";
import { freshTag, jobIn, signal } from "../../../conformance/scheduler_world.ts";
import { type RedisServer, startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld } from "../../../support/redis_world.ts";

setDefaultTimeout(60_000);

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server[Symbol.asyncDispose]());

const OTHER_VERSION = "expected version 1, got 2; daemon and performers must be of the same version";

for (const [what, entry, reason] of [
  ["an end of another version", ["state", "ended", "result", '{"version":2}'], OTHER_VERSION],
  ["an end that is none", ["state", "ended", "result", "ok"], "expected JSON"],
  ["a state that is none", ["state", "paused"], 'Redis has the job in the unknown state "paused"'],
] as const) {
  test(`${what} ends its job with the reason, and no other job waits for it`, async () => {
    await using world = openRedisWorld(server);
    const { attempt } = queueKeys(world.options.queue);
    const job = jobIn(await world.makeDirectory(), "true");
    const odd = await world.scheduler.submit(job, freshTag(), signal);
    const other = await world.scheduler.submit(job, freshTag(), signal);
    server.cli("hset", attempt(odd), ...entry);
    const statuses = await world.scheduler.statuses([odd, other], signal);
    expect(statuses.get(odd)).toEqual({
      type: "ended",
      outcome: { isOk: false, returnCode: null, reason: expect.stringContaining(reason) },
    });
    expect(statuses.get(other)).toEqual({ type: "queued" });
  });
}

test("a performer that cannot be understood is logged and hides no other; when there is none, the reason is told", async () => {
  await using world = openRedisWorld(server);
  const { performers } = queueKeys(world.options.queue);
  server.cli("hset", performers, "newer-1", '{"version":2}');
  await expect(world.scheduler.performers?.(signal)).rejects.toThrow(OTHER_VERSION);
  const about = { release: "1", destination: "far", host: "here", pid: 1, sinceMs: 0, leaseMs: 30_000, capacity: 1 };
  server.cli("hset", performers, "known-1", encodePerformer({ ...about, running: 0, isDraining: false }));
  expect(await world.scheduler.performers?.(signal)).toMatchObject([{ name: "known-1", host: "here" }]);
  expect(world.logger.lines).toContainEqual({
    level: "warn",
    message: "A performer cannot be understood",
    fields: { performer: "newer-1", reason: expect.stringContaining(OTHER_VERSION) },
  });
});
