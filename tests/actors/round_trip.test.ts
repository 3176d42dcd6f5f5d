import { describe, expect, test } from "bun:test";
import { roundTrip } from "../../actors/round_trip.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { actorWorld } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";

const TIMEOUT_MS = 1_000;

async function setup() {
  const store = { isAway: false };
  const world = await actorWorld({
    destinations: { one: { scheduler: controlledScheduler() }, two: { scheduler: controlledScheduler() } },
    wrapStore: (real: JobStore) =>
      new Proxy(real, {
        get(target, key) {
          if (key === "ping" && store.isAway) return () => Promise.reject(new Error("away"));
          const value: unknown = Reflect.get(target, key);
          return typeof value === "function" ? value.bind(target) : value;
        },
      }),
  });
  const go = (destinations: readonly string[] = ["one", "two"]) =>
    roundTrip({
      ...{ find: (name) => world.system.find(name), destinations, clock: world.clock, timeoutMs: TIMEOUT_MS },
      pingStore: () => world.store.ping(),
    });
  return { world, store, go, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

describe("a round trip", () => {
  test("is answered by every part of a daemon that works, time after time", async () => {
    await using it = await setup();
    expect(await it.go()).toEqual([]);
    expect(await it.go()).toEqual([]);
  });

  test("names the parts that do not answer", async () => {
    await using it = await setup();
    expect(await it.go(["one", "gone"])).toEqual(["health:gone", "destination:gone", "poller:gone", "stager:gone"]);
  });

  test("blames nobody while the database is away, as some rightly wait for it", async () => {
    await using it = await setup();
    it.store.isAway = true;
    expect(await it.go(["gone"])).toEqual([]);
  });

  test("names everybody once the tree has stopped for good", async () => {
    await using it = await setup();
    await it.world.system.stop();
    expect((await it.go(["one"])).length).toBeGreaterThan(0);
  });
});
