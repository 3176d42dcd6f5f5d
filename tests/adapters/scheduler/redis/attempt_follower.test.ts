import { expect, test } from "bun:test";
import { attemptFollower } from "../../../../adapters/scheduler/redis/attempt_follower.ts";
import type { SchedulerStatus } from "../../../../src/core/job.ts";
import { jobIn } from "../../../conformance/scheduler_world.ts";
import { ManualClock, settle } from "../../../support/manual_clock.ts";
import { recordingLogger } from "../../../support/recording_logger.ts";

const LEASE_MS = 30_000;
const RUNNING: SchedulerStatus = { type: "running" };
const job = jobIn("/jobs/1", "true");
const { signal } = new AbortController();

/** A daemon's view of a Redis that knows what `known` says, and forgets it when a test wants. */
function setup() {
  const clock = new ManualClock();
  const known = new Map<string, SchedulerStatus>();
  const again: string[] = [];
  const confirmed: string[][] = [];
  const begun = new Set<string>();
  const open = new Set<string>();
  const told: (readonly [string, SchedulerStatus])[] = [];
  const follower = attemptFollower({
    ...{ clock, logger: recordingLogger(), leaseMs: LEASE_MS },
    readStatuses: async (tags) =>
      new Map(
        [...known]
          .filter(([tag]) => tags.includes(tag))
          .map(([tag, status]) => [tag, { status, hasBegun: begun.has(tag) || status.type !== "queued" }]),
      ),
    submitAgain: async (tag) => {
      again.push(tag);
      known.set(tag, { type: "queued" });
    },
    confirm: async (tags) => {
      confirmed.push([...tags]);
      return tags.filter((tag) => open.has(tag));
    },
  });
  follower.listen((tag, status) => told.push([tag, status]));
  const submit = async (tag: string): Promise<void> => {
    await follower.whileSubmitting(tag, job, async () => {
      const isNew = !known.has(tag);
      known.set(tag, { type: "queued" });
      return { isNew, answer: undefined };
    });
    await settle();
  };
  return {
    clock,
    known,
    again,
    begun,
    confirmed,
    open,
    told,
    follower,
    submit,
    [Symbol.dispose]: () => follower.close(),
  };
}

type World = ReturnType<typeof setup>;

const LOST = {
  type: "ended",
  outcome: { isOk: false, returnCode: null, reason: "Redis has lost the job, and no performer has it" },
  isInterrupted: true,
} as const;

test("a job that Redis has lost before it started is submitted again, when every performer had the time to tell of it", async () => {
  using t = setup();
  await t.submit("a");
  t.known.clear();
  await t.clock.advance(LEASE_MS);
  expect(t.again).toEqual([]);
  await t.clock.advance(LEASE_MS);
  expect(t.again).toEqual(["a"]);
  expect(t.told).toEqual([]);
  t.follower.hear("a", RUNNING);
  expect(t.told).toEqual([["a", RUNNING]]);
});

test("a job that Redis has lost and that had started ends with the reason, when no performer tells of it", async () => {
  using t = setup();
  await t.submit("a");
  t.follower.hear("a", RUNNING);
  t.known.clear();
  await t.clock.advance(LEASE_MS * 2);
  expect(t.again).toEqual([]);
  expect(t.told).toEqual([
    ["a", RUNNING],
    ["a", LOST],
  ]);
});

test("a job that Redis has lost and of which a performer tells in time goes on", async () => {
  using t = setup();
  await t.submit("a");
  t.follower.hear("a", RUNNING);
  t.known.clear();
  await t.clock.advance(LEASE_MS);
  t.known.set("a", RUNNING);
  await t.clock.advance(LEASE_MS * 3);
  expect(t.told).toEqual([["a", RUNNING]]);
});

test("a job of an earlier daemon that Redis has lost ends with the reason: nobody knows any more whether it had started", async () => {
  using t = setup();
  expect(await t.follower.look(["a"], signal)).toEqual(new Map());
  await t.clock.advance(LEASE_MS * 2);
  expect(t.again).toEqual([]);
  expect(t.told).toEqual([["a", LOST]]);
});

test("a job that Redis says to wait, though it has started, ends with the reason, when no performer tells of it", async () => {
  using t = setup();
  await t.submit("a");
  t.follower.hear("a", RUNNING);
  t.known.set("a", { type: "queued" });
  await t.clock.advance(LEASE_MS * 2);
  expect(t.confirmed).toEqual([]);
  expect(t.told).toEqual([
    ["a", RUNNING],
    ["a", LOST],
  ]);
});

test("jobs that wait are confirmed twice after each loss of the link, and when they are of an earlier daemon", async () => {
  using t = setup();
  await t.submit("a");
  t.known.set("b", { type: "queued" });
  await t.follower.look(["a", "b"], signal);
  await t.clock.advance(LEASE_MS * 2);
  expect(t.confirmed).toEqual([["b"], ["b"]]);
  t.follower.reconnected();
  await t.clock.advance(LEASE_MS * 2);
  expect(t.confirmed.slice(2)).toEqual([
    ["a", "b"],
    ["a", "b"],
  ]);
});

test("a job that waits is confirmed again soon, and then later and later, while it cannot be said yet whether it does", async () => {
  using t = setup();
  await t.submit("a");
  t.open.add("a");
  t.follower.reconnected();
  await t.clock.advance(9_500);
  // At 0, 1, 3, 6 and 9 s.
  expect(t.confirmed.length).toBe(5);
  t.open.clear();
  await t.clock.advance(LEASE_MS * 2);
  expect(t.confirmed.length).toBe(7);
});

test("a job that Redis knew before it was submitted is confirmed", async () => {
  using t = setup();
  t.known.set("a", { type: "queued" });
  await t.submit("a");
  await t.clock.advance(LEASE_MS);
  expect(t.confirmed).toEqual([["a"], ["a"]]);
});

test("a job that is given up and that Redis does not know is over when every performer had the time to tell of it", async () => {
  using t = setup();
  await t.submit("a");
  t.known.clear();
  t.follower.giveUp("a");
  expect(await t.follower.isOver("a", signal)).toBe(false);
  await t.clock.advance(LEASE_MS * 2);
  expect(await t.follower.isOver("a", signal)).toBe(true);
  expect(await t.follower.isOver("unknown", signal)).toBe(true);
  expect(t.again).toEqual([]);
});

test("a job of which a beginning was heard is not submitted again when Redis has lost it or says that it waits", async () => {
  for (const forget of [(t: World) => t.known.delete("a"), () => undefined]) {
    using t = setup();
    await t.submit("a");
    t.follower.hearBegun("a");
    forget(t);
    t.follower.reconnected();
    await t.clock.advance(LEASE_MS * 2);
    expect([t.again, t.confirmed]).toEqual([[], []]);
    expect(t.told).toEqual([["a", LOST]]);
  }
});

test("a job that a performer has, though its command does not run yet, is neither confirmed nor lost", async () => {
  using t = setup();
  await t.submit("a");
  t.begun.add("a");
  t.follower.hearBegun("a");
  t.follower.reconnected();
  await t.clock.advance(LEASE_MS * 5);
  expect([t.again, t.confirmed, t.told]).toEqual([[], [], []]);
});
