import { expect, test } from "bun:test";
import { SchedulerRefusedError, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import { QueueDownError } from "../../../src/ports/attempt_queue.ts";
import { controlledScheduler } from "../../support/controlled_scheduler.ts";
import { settle } from "../../support/manual_clock.ts";
import { attempt, FENCE_MS, GOOD, idOf, LEASE_MS, performerInTest as setup } from "../../support/performer_in_test.ts";

const away = new SchedulerUnavailableError("Redis does not answer");

test("an attempt is started, its start told, and its end, and then its record goes", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  const own = attempt(1);
  await begin(own);
  expect(runner.submitted.map(({ tag }) => tag)).toEqual([own.tag]);
  await clock.advance(20);
  expect(queue.started).toEqual([own.tag]);
  runner.end(idOf(own), GOOD);
  await settle();
  expect(queue.ends).toEqual([[own.tag, { type: "ended", outcome: GOOD }]]);
  expect(runner.forgotten).toEqual([idOf(own)]);
});

test("of a command that ends at once only the end is told", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  await begin(attempt(1));
  runner.end(idOf(attempt(1)), GOOD);
  await clock.advance(1_000);
  expect(queue.started).toEqual([]);
  expect(queue.ends.length).toBe(1);
});

test("a command that ends just after it was asked for is not missed", async () => {
  const base = controlledScheduler();
  const own = attempt(1);
  const runner = {
    ...base,
    statuses: async (...asked: Parameters<typeof base.statuses>) => {
      const answer = await base.statuses(...asked);
      if (base.status(idOf(own))?.type !== "ended") base.end(idOf(own), GOOD);
      return answer;
    },
  };
  await using world = await setup({ changes: { runner } });
  world.queue.waiting.push(own);
  await world.clock.advance(LEASE_MS / 6);
  expect(world.queue.ends).toEqual([[own.tag, { type: "ended", outcome: GOOD }]]);
});

test("no more attempts are taken than there is room for", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  await begin(attempt(1));
  queue.waiting.push(attempt(2));
  await clock.advance(LEASE_MS / 6);
  expect(runner.submitted.length).toBe(1);
  runner.end(idOf(attempt(1)), GOOD);
  await settle();
  expect(runner.submitted.map(({ tag }) => tag)).toEqual([attempt(1).tag, attempt(2).tag]);
});

test("what is brought when no record can be kept any more is left to others", async () => {
  await using world = await setup({ changes: { hasRoom: () => queue.waiting.length > 0 } });
  const { queue, runner, clock } = world;
  queue.waiting.push(attempt(1));
  await clock.advance(LEASE_MS);
  expect(queue.waiting).toEqual([]);
  expect(runner.submitted).toEqual([]);
});

test("the lease is renewed six times while it lasts, and with it the time that commands have", async () => {
  await using world = await setup();
  const { queue, clock, lives } = world;
  await clock.advance(LEASE_MS);
  expect(queue.renewals.length).toBe(7);
  expect(queue.renewals.map(({ isUnbroken }) => isUnbroken)).toEqual([false, ...Array(6).fill(true)]);
  expect(lives).toEqual(Array(7).fill(FENCE_MS));
});

test("commands are ended before the lease is over, and told as interrupted when there is an answer again", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  const own = attempt(1);
  await begin(own);
  queue.fault = away;
  await clock.advance(FENCE_MS - 10);
  expect(runner.calls.cancel).toBe(0);
  await clock.advance(10);
  expect(runner.calls.cancel).toBeGreaterThan(0);
  expect(queue.ends).toEqual([]);
  queue.fault = undefined;
  await clock.advance(10_000);
  const [[tag, end] = []] = queue.ends;
  expect(tag).toBe(own.tag);
  expect(end).toMatchObject({ isInterrupted: true, outcome: { isOk: false } });
  expect(end?.outcome.reason).toStartWith("The performer heard nothing of Redis for ");
});

test("commands live on while it is certain that the server does not run", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  await begin(attempt(1));
  for (let round = 0; round < 200; round++) {
    queue.fault = new QueueDownError(clock.monotonicMs(), undefined);
    await clock.advance(500);
  }
  expect(runner.calls.cancel).toBe(0);
  queue.fault = away;
  await clock.advance(FENCE_MS);
  expect(runner.calls.cancel).toBeGreaterThan(0);
});

test("nothing is taken without a lease", async () => {
  await using world = await setup();
  const { queue, runner, clock } = world;
  queue.fault = away;
  await clock.advance(LEASE_MS);
  queue.fault = undefined;
  queue.waiting.push(attempt(1));
  await clock.advance(500);
  expect(runner.submitted.length).toBe(1);
});

test("nothing is taken while a disk is full, and what waits is when it has room again", async () => {
  let isFull = true;
  await using world = await setup({ changes: { hasRoom: () => !isFull } });
  const { queue, runner, clock } = world;
  queue.waiting.push(attempt(1));
  await clock.advance(LEASE_MS);
  expect(queue.waiting).toEqual([attempt(1)]);
  // So that administrators see it.
  expect(queue.renewals.at(-1)).toMatchObject({ isDraining: true });
  isFull = false;
  await clock.advance(LEASE_MS / 6);
  expect(runner.submitted.map(({ tag }) => tag)).toEqual([attempt(1).tag]);
});

test("a cancellation ends the command, whether it is published or comes with a renewal", async () => {
  for (const isPublished of [true, false]) {
    await using world = await setup();
    const { queue, runner, begin, clock } = world;
    const own = attempt(1);
    await begin(own);
    if (isPublished) queue.cancel(own.tag);
    else queue.answer = { cancelled: [own.tag], lost: [], unclaimed: [] };
    await clock.advance(LEASE_MS / 6);
    expect(runner.calls.cancel).toBeGreaterThan(0);
    expect(queue.ends).toEqual([[own.tag, { type: "ended", outcome: { isOk: false, returnCode: -15, reason: null } }]]);
  }
});

test("what is no longer ours is ended, and nothing is told of it", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  const own = attempt(1);
  await begin(own);
  queue.answer = { cancelled: [], lost: [own.tag], unclaimed: [] };
  await clock.advance(LEASE_MS / 6);
  expect(runner.calls.cancel).toBeGreaterThan(0);
  expect(queue.ends).toEqual([]);
  expect(runner.forgotten).toEqual([idOf(own)]);
});

test("what was begun without an answer to us is ours with the next renewal, once, when there is room for it", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  await begin(attempt(1));
  queue.left.push({ ...attempt(1), isCertain: true }, { ...attempt(2), isCertain: true });
  const renewWith = async (): Promise<void> => {
    queue.answer = { cancelled: [], lost: [], unclaimed: [attempt(2).tag] };
    await clock.advance(LEASE_MS / 6);
  };
  await renewWith();
  expect(runner.submitted.length).toBe(1);
  runner.end(idOf(attempt(1)), GOOD);
  await settle();
  await renewWith();
  await renewWith();
  expect(runner.submitted.map(({ tag }) => tag)).toEqual([attempt(1).tag, attempt(2).tag]);
  expect(queue.ends.map(([tag]) => tag)).toEqual([attempt(1).tag]);
});

test("what an earlier life has left is taken over", async () => {
  await using world = await setup({ left: [attempt(1)] });
  const { queue, runner } = world;
  expect(queue.renewals).toEqual([{ held: 1, isDraining: false, isUnbroken: false }]);
  runner.end(idOf(attempt(1)), GOOD);
  await settle();
  expect(queue.ends.length).toBe(1);
});

test("what a server that was restarted says to be ours is started only where something of it is here", async () => {
  const [unknown, known] = [attempt(1), attempt(2)].map((own) => ({ ...own, isCertain: false }));
  if (unknown === undefined || known === undefined) throw new Error("No attempts");
  await using world = await setup({
    left: [unknown, known],
    changes: { capacity: 2, records: async () => [known.tag] },
  });
  const { queue, runner } = world;
  expect(runner.submitted.map(({ tag }) => tag)).toEqual([known.tag]);
  const reason = "Redis was restarted, and nobody knows whether the command had run";
  const outcome = { isOk: false, returnCode: null, reason };
  expect(queue.ends).toEqual([[unknown.tag, { type: "ended", outcome, isInterrupted: true }]]);
});

test("a server to which the link was lost is told at once what is here", async () => {
  await using world = await setup();
  const { queue, begin } = world;
  await begin(attempt(1));
  const { length } = queue.renewals;
  queue.connected();
  await settle();
  expect(queue.renewals.slice(length)).toEqual([{ held: 1, isDraining: false, isUnbroken: true }]);
});

test("what an earlier life has left that is not ours any more is ended, and told in case the server has forgotten it", async () => {
  const runner = controlledScheduler();
  const own = attempt(1);
  const id = await runner.submit(own.job, own.tag, new AbortController().signal);
  runner.start(id);
  await using world = await setup({ changes: { runner, records: async () => [own.tag] } });
  expect(runner.calls.cancel).toBe(1);
  expect(runner.forgotten).toEqual([id]);
  const [[tag, end] = []] = world.queue.ends;
  expect([tag, end?.isInterrupted]).toEqual([own.tag, true]);
});

test("a command whose end was another's work counts as interrupted", async () => {
  await using world = await setup({ changes: { wasEndedForUs: () => true } });
  const { queue, runner, begin } = world;
  await begin(attempt(1));
  runner.end(idOf(attempt(1)), { isOk: false, returnCode: -15, reason: null });
  await settle();
  expect(queue.ends[0]?.[1]).toMatchObject({ isInterrupted: true });
});

test("a job that cannot be started is told with the reason; one that cannot be started now is tried again", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  runner.failNext(
    "submit",
    new SchedulerUnavailableError("No free process"),
    new SchedulerRefusedError("No directory"),
  );
  await begin(attempt(1));
  await clock.advance(10_000);
  const outcome = { isOk: false, returnCode: null, reason: "No directory" };
  expect(queue.ends).toEqual([[attempt(1).tag, { type: "ended", outcome }]]);
});

test("an end is told again and again until there is an answer", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock } = world;
  await begin(attempt(1));
  queue.fault = new QueueDownError(clock.monotonicMs(), undefined);
  runner.end(idOf(attempt(1)), GOOD);
  await clock.advance(60_000);
  expect(runner.forgotten).toEqual([]);
  queue.fault = undefined;
  await clock.advance(5_000);
  expect(queue.ends.length).toBe(1);
});

/** @returns tells whether that is done */
function drain({ tell }: Pick<Awaited<ReturnType<typeof setup>>, "tell">): () => boolean {
  let isDrained = false;
  tell({
    type: "drain",
    drained: () => {
      isDrained = true;
    },
  });
  return () => isDrained;
}

test("when drained it takes nothing, waits for what it has, and then gives its lease back", async () => {
  await using world = await setup();
  const { queue, runner, begin, clock, logger } = world;
  await begin(attempt(1));
  const isDrained = drain(world);
  await settle();
  expect(queue.renewals.at(-1)).toMatchObject({ held: 1, isDraining: true });
  expect(logger.lines.at(-1)?.fields).toMatchObject({ destination: "far", tags: [attempt(1).tag] });
  queue.waiting.push(attempt(2));
  await clock.advance(LEASE_MS);
  expect(isDrained()).toBe(false);
  runner.end(idOf(attempt(1)), GOOD);
  await clock.advance(LEASE_MS);
  expect(isDrained()).toBe(true);
  expect(queue.hasLeft()).toBe(true);
  const { length } = queue.renewals;
  await clock.advance(LEASE_MS);
  expect(queue.renewals.length).toBe(length);
  expect(runner.submitted.length).toBe(1);
});

test("when drained it does not wait for a question for work that has no answer", async () => {
  await using world = await setup();
  const isDrained = drain(world);
  await settle();
  expect(isDrained()).toBe(true);
});

test("when drained before it knows what an earlier life has left it waits for that, too", async () => {
  const { promise: held, resolve: answer } = Promise.withResolvers<void>();
  await using world = await setup({ left: [attempt(1)], held });
  const { queue, runner } = world;
  const isDrained = drain(world);
  await settle();
  expect(isDrained()).toBe(false);
  answer();
  await settle();
  expect(queue.renewals).toEqual([{ held: 1, isDraining: true, isUnbroken: false }]);
  runner.end(idOf(attempt(1)), GOOD);
  await settle();
  expect(queue.ends.length).toBe(1);
  expect(isDrained()).toBe(true);
});

test("when drained before it knows that nothing is left it takes no lease, and asks no more when there is no answer", async () => {
  for (const fault of [undefined, new SchedulerUnavailableError("Redis is away")]) {
    const { promise: held, resolve: answer } = Promise.withResolvers<void>();
    await using world = await setup({ held });
    const { queue, clock } = world;
    queue.fault = fault;
    const isDrained = drain(world);
    answer();
    await settle();
    expect(isDrained()).toBe(true);
    queue.fault = undefined;
    await clock.advance(LEASE_MS);
    expect(queue.renewals).toEqual([]);
  }
});

test("when all is ended, what was on its way is not started", async () => {
  const { promise: held, resolve: answer } = Promise.withResolvers<void>();
  await using world = await setup();
  const { queue, runner, clock, tell } = world;
  queue.held = held;
  queue.waiting.push(attempt(1));
  await clock.advance(LEASE_MS / 6);
  tell({ type: "end_all", reason: "The performer was stopped" });
  answer();
  await settle();
  expect(runner.submitted).toEqual([]);
  expect(queue.ends[0]?.[1]).toMatchObject({ isInterrupted: true, outcome: { reason: "The performer was stopped" } });
});

test("a command is not started while the lease is over, and not at all when it is lost or cancelled meanwhile", async () => {
  let mayStart = false;
  await using world = await setup({ changes: { capacity: 3, mayStart: () => mayStart } });
  const { queue, runner, clock } = world;
  queue.waiting.push(attempt(1), attempt(2), attempt(3));
  await clock.advance(LEASE_MS / 2);
  queue.answer = { cancelled: [], lost: [attempt(1).tag], unclaimed: [] };
  queue.cancel(attempt(2).tag);
  await clock.advance(LEASE_MS / 6);
  expect(runner.submitted).toEqual([]);
  mayStart = true;
  await clock.advance(LEASE_MS / 6);
  expect(runner.submitted.map(({ tag }) => tag)).toEqual([attempt(3).tag]);
  expect(queue.ends).toEqual([[attempt(2).tag, ENDED_BEFORE_START]]);
});

test("the renewal that would let commands start does not start those which it says are lost or cancelled", async () => {
  let [isRenewed, mayStart] = [false, false];
  const mayLiveFor = (): void => {
    mayStart = isRenewed;
  };
  await using world = await setup({ changes: { capacity: 3, mayStart: () => mayStart, mayLiveFor } });
  const { queue, runner, clock } = world;
  queue.waiting.push(attempt(1), attempt(2), attempt(3));
  await clock.advance(LEASE_MS / 3);
  isRenewed = true;
  queue.answer = { cancelled: [attempt(2).tag], lost: [attempt(1).tag], unclaimed: [] };
  await clock.advance(LEASE_MS / 3);
  expect(runner.submitted.map(({ tag }) => tag)).toEqual([attempt(3).tag]);
  expect(queue.ends).toEqual([[attempt(2).tag, ENDED_BEFORE_START]]);
});

const ENDED_BEFORE_START = {
  type: "ended",
  outcome: { isOk: false, returnCode: null, reason: "It was ended before its command was started" },
} as const;

test("what was ended through no fault of its own is known as such to the next life, also when the server has forgotten it", async () => {
  const ended = new Set<string>();
  const changes = {
    runner: controlledScheduler(),
    noteEnding: (tag: string) => void ended.add(tag),
    wasEndedForUs: (tag: string) => ended.has(tag),
  };
  const own = attempt(1);
  {
    await using world = await setup({ changes: { ...changes } });
    world.queue.waiting.push(own);
    await world.clock.advance(LEASE_MS / 6);
    changes.runner.start(idOf(own));
    world.queue.fault = away;
    await world.clock.advance(FENCE_MS);
    changes.runner.end(idOf(own), { isOk: false, returnCode: -15, reason: null });
    await settle();
  }
  await using world = await setup({ changes: { ...changes, records: async () => [own.tag] } });
  const [[tag, end] = []] = world.queue.ends;
  expect([tag, end?.isInterrupted]).toEqual([own.tag, true]);
});
