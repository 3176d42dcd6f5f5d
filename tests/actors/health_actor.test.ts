import { describe, expect, test } from "bun:test";
import { healthActor } from "../../actors/health_actor.ts";
import type { HealthDescription, HealthMessage, TryGranted, TryOutcome } from "../../actors/health_messages.ts";
import { settle } from "../support/manual_clock.ts";
import { named, setup } from "./kernel/world.ts";

const FAULT: TryOutcome = { type: "unanswered", reason: "Connection refused" };
const UNUSED: TryOutcome = { type: "unused" };

type Asked = TryGranted | { readonly type: "wait"; readonly until: Promise<void> } | { readonly type: "end" };

/** A destination's health, and actors that note when they may try. */
async function world(names: readonly string[], mailboxSize = 10) {
  const granted: string[] = [];
  const returned = new Set<() => void>();
  const onReturn = (listener: () => void): (() => void) => {
    returned.add(listener);
    return () => returned.delete(listener);
  };
  const backoff = { initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0 };
  const base = await setup(
    named<HealthMessage>(
      "health",
      healthActor({ name: "far", backoff, credentials: { scheduler: [], file_system: [] }, random: () => 0, onReturn }),
    ),
    ...names.map((name) =>
      named<Asked>(
        name,
        (ctx) => ({
          receive(message) {
            if (message.type === "wait") return message.until;
            if (message.type === "end") return ctx.stop();
            granted.push(`${name}${message.isProbe ? " as probe" : ""}`);
          },
        }),
        { mailboxSize, restart: "temporary" },
      ),
    ),
  );
  const health = base.ref<HealthMessage>("health");
  const part = "scheduler";
  return {
    ...base,
    granted,
    returned,
    request(...by: readonly string[]) {
      for (const name of by) health.send({ type: "request_try", part, by: base.ref(name), isQuestion: false });
    },
    end: (name: string, outcome: TryOutcome) => health.send({ type: "try_ended", part, by: base.ref(name), outcome }),
    describe: () => new Promise<HealthDescription>((reply) => health.send({ type: "describe", reply })),
    async degrade() {
      for (let fault = 0; fault < 3; fault++) this.end(names[0] ?? "", FAULT);
      await settle();
    },
  };
}

describe("the try of a degraded destination", () => {
  test("passes on to the next in turn when it is given back", async () => {
    const t = await world(["one", "two"]);
    await t.degrade();
    t.request("one", "two", "one");
    await t.clock.advance(999);
    expect(t.granted).toEqual([]);
    await t.clock.advance(1);
    expect(t.granted).toEqual(["one as probe"]);
    t.end("one", UNUSED);
    await settle();
    expect(t.granted).toEqual(["one as probe", "two as probe"]);
  });

  test("is made at once when the scheduler is known to be back, however long the back-off is by then", async () => {
    const t = await world(["one"]);
    await t.degrade();
    t.request("one");
    await t.clock.advance(500);
    expect(t.granted).toEqual([]);
    for (const listener of t.returned) listener();
    await settle();
    expect(t.granted).toEqual(["one as probe"]);
    await t.system.stop();
    expect(t.returned.size).toBe(0);
  });

  test("passes on when the actor that makes it ends, and one that ended while it waited gets none", async () => {
    const t = await world(["one", "two", "three"]);
    await t.degrade();
    t.request("one", "two", "three");
    await t.clock.advance(1_000);
    expect(t.granted).toEqual(["one as probe"]);
    t.ref<Asked>("two").send({ type: "end" });
    t.ref<Asked>("one").send({ type: "end" });
    await settle();
    expect(t.granted).toEqual(["one as probe", "three as probe"]);
  });

  test("goes to the one that failed only after all others", async () => {
    const t = await world(["one", "two", "three"]);
    await t.degrade();
    t.request("one", "two", "three");
    for (const delayMs of [1_000, 2_000, 4_000, 8_000]) {
      await t.clock.advance(delayMs);
      const last = t.granted.at(-1)?.replace(" as probe", "") ?? "";
      t.end(last, FAULT);
      t.request(last);
      await settle();
    }
    expect(t.granted.map((name) => name.replace(" as probe", ""))).toEqual(["one", "two", "three", "one"]);
    expect((await t.describe()).scheduler).toMatchObject({ state: "degraded", waiting: 3 });
  });
});

describe("a destination that answers again", () => {
  test("is not kept from its jobs by a try that never ends, whether it began before or after", async () => {
    const t = await world(["hangs", "answers", "hangs too", "waits"]);
    await t.degrade();
    t.request("hangs", "answers", "hangs too", "waits");
    await t.clock.advance(3_000);
    expect(t.granted).toEqual(["hangs as probe", "answers as probe"]);
    t.end("answers", { type: "answered" });
    await settle();
    expect(t.granted.at(-1)).toBe("hangs too as probe");
    expect((await t.describe()).scheduler).toEqual({
      state: "healthy",
      lastFault: { reason: "Connection refused", atMs: expect.any(Number) },
    });
    await t.clock.advance(4_000);
    expect(t.granted.at(-1)).toBe("waits as probe");
    t.end("hangs", FAULT);
    await settle();
    expect((await t.describe()).scheduler).toMatchObject({ state: "healthy" });
  });

  test("is degraded again by a try that began after its answer and failed", async () => {
    const t = await world(["one", "two", "three"]);
    await t.degrade();
    t.request("one", "two", "three");
    await t.clock.advance(1_000);
    t.end("one", { type: "answered" });
    await settle();
    t.end("two", FAULT);
    await settle();
    expect((await t.describe()).scheduler).toMatchObject({ state: "degraded", waiting: 1 });
    expect(t.granted).toEqual(["one as probe", "two as probe"]);
  });
});

test("a try is not lost on an actor whose mailbox is full", async () => {
  const t = await world(["busy", "other"], 1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const busy = t.ref<Asked>("busy");
  busy.send({ type: "wait", until: promise });
  await settle();
  busy.send({ type: "wait", until: promise });
  t.request("busy", "other");
  await settle();
  expect(t.granted).toEqual(["other"]);
  resolve();
  await t.clock.advance(1_000);
  expect(t.granted).toEqual(["other", "busy"]);
});
