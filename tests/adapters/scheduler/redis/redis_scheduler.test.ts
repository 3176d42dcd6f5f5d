import { afterAll, beforeAll } from "bun:test";
import type { Scheduler } from "../../../../src/ports/scheduler.ts";
import { schedulerSuite } from "../../../conformance/scheduler_suite.ts";
import { type RedisServer, startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld, type RedisWorld } from "../../../support/redis_world.ts";

let server: RedisServer;
/** Its performer works for all tests. */
let common: RedisWorld;

beforeAll(async () => {
  server = await startRedis();
  common = openRedisWorld(server, { queue: "arq:queue" });
  await common.startPerformer();
});

afterAll(async () => {
  await common[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

schedulerSuite(
  "arq",
  async () => {
    let scheduler: Scheduler = common.another();
    return {
      ...{ makeDirectory: common.makeDirectory, read: common.read, write: common.write, isAlive: common.isAlive },
      get scheduler() {
        return scheduler;
      },
      async reopen() {
        await scheduler.close();
        scheduler = common.another();
        return scheduler;
      },
      [Symbol.asyncDispose]: () => scheduler.close(),
    };
  },
  { startsWithinMs: 30_000, waivers: {} },
);
