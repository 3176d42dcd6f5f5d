import { expect, test } from "bun:test";
import { memoryScheduler } from "../../../adapters/scheduler/memory.ts";
import { schedulerSuite } from "../../conformance/scheduler_suite.ts";
import { openLocalWorld } from "../../support/local_world.ts";

schedulerSuite("memory", async () => openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 })), {
  startsWithinMs: 20_000,
  waivers: {},
});

test("its capacity is the number of slots", async () => {
  await using world = openLocalWorld((options) => memoryScheduler({ ...options, slots: 7 }));
  expect(world.scheduler.capacity).toBe(7);
});
