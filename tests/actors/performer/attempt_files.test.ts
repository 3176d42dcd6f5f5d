import { expect, test } from "bun:test";
import { TransferError } from "../../../src/core/errors.ts";
import { controlledWorkplace } from "../../support/controlled_workplace.ts";
import { settle } from "../../support/manual_clock.ts";
import { attempt, FENCE_MS, GOOD, idOf, LEASE_MS, performerInTest } from "../../support/performer_in_test.ts";

const own = attempt(1);
const lostLink = new TransferError("The link was lost", { retryable: true });
const refused = new TransferError("permission denied on host", { retryable: false });

async function setup(left: Parameters<typeof performerInTest>[0] = {}) {
  const workplace = controlledWorkplace();
  const world = await performerInTest({ ...left, changes: { workplace } });
  /** Brings the attempt, whose files may still be on their way afterwards. */
  const bring = async (): Promise<void> => {
    world.queue.waiting.push(own);
    await world.clock.advance(LEASE_MS / 6);
  };
  const called = () => workplace.calls.map(([method]) => method);
  return { ...world, workplace, bring, called };
}

test("files are brought before the command starts, and what it left is delivered before its end is told", async () => {
  await using world = await setup();
  const { queue, runner, workplace, begin, called } = world;
  await begin(own);
  expect(runner.submitted.map(({ job }) => job.directory)).toEqual([`/copies/${own.tag}`]);
  const goOn = workplace.hold("deliver");
  runner.end(idOf(own), GOOD);
  await settle();
  expect(called()).toEqual(["prepare", "deliver"]);
  expect(queue.ends).toEqual([]);
  // Nothing may change what is being copied.
  expect(runner.calls.cancel).toBe(1);
  goOn();
  await settle();
  expect(queue.ends).toEqual([[own.tag, { type: "ended", outcome: GOOD }]]);
  expect(called()).toEqual(["prepare", "deliver", "discard"]);
  expect(runner.forgotten).toEqual([idOf(own)]);
});

test("a transfer that fails is tried again for as long as it may succeed, with longer and longer pauses, and administrators hear of it", async () => {
  await using world = await setup();
  const { queue, runner, workplace, bring, clock, called, logger } = world;
  workplace.failNext("prepare", ...Array<Error>(30).fill(lostLink));
  await bring();
  await clock.advance(LEASE_MS * 10);
  expect(called()).toEqual(Array(31).fill("prepare"));
  expect(logger.lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([
    "The files of a job could not be had; it is tried again",
  ]);
  workplace.failNext("deliver", lostLink, lostLink);
  runner.end(idOf(own), GOOD);
  await clock.advance(1_000);
  expect(called().slice(31)).toEqual(["deliver", "deliver", "deliver", "discard"]);
  expect(queue.ends).toEqual([[own.tag, { type: "ended", outcome: GOOD }]]);
});

test("a transfer that cannot succeed ends the job with the reason", async () => {
  for (const method of ["prepare", "deliver"] as const) {
    await using world = await setup();
    const { queue, runner, workplace, begin, called } = world;
    workplace.failNext(method, refused);
    await begin(own);
    if (method === "deliver") runner.end(idOf(own), GOOD);
    await settle();
    const [[, end] = []] = queue.ends;
    expect(end).toMatchObject({ outcome: { isOk: false, returnCode: method === "deliver" ? 0 : null } });
    expect(end?.outcome.reason).toEndWith("permission denied on host");
    expect(end?.isInterrupted).toBeUndefined();
    expect(runner.submitted.length).toBe(method === "deliver" ? 1 : 0);
    expect(called().at(-1)).toBe("discard");
  }
});

test("a cancellation calls the bringing of files off at once, also between two tries, and nothing is started", async () => {
  for (const isFailing of [false, true]) {
    await using world = await setup();
    const { queue, runner, workplace, bring, called } = world;
    if (isFailing) workplace.failNext("prepare", ...Array<Error>(10).fill(lostLink));
    else workplace.hold("prepare");
    await bring();
    queue.cancel(own.tag);
    await world.clock.advance(0);
    const reason = "It was ended while its files were being fetched";
    expect(queue.ends).toEqual([[own.tag, { type: "ended", outcome: { isOk: false, returnCode: null, reason } }]]);
    expect(runner.submitted).toEqual([]);
    expect(called().at(-1)).toBe("discard");
  }
});

test("a performer that hears nothing of the queue calls the bringing of files off, which counts as an interruption", async () => {
  await using world = await setup();
  const { queue, workplace, bring, clock } = world;
  workplace.hold("prepare");
  await bring();
  queue.fault = new Error("Redis does not answer");
  await clock.advance(FENCE_MS);
  queue.fault = undefined;
  await clock.advance(10_000);
  expect(queue.ends[0]?.[1]).toMatchObject({ isInterrupted: true, outcome: { isOk: false, returnCode: null } });
});

test("what a cancelled command has left is delivered, but not waited for any longer than half a minute", async () => {
  for (const isPatient of [true, false]) {
    await using world = await setup();
    const { queue, workplace, begin, clock, called } = world;
    const goOn = workplace.hold("deliver");
    await begin(own);
    queue.cancel(own.tag);
    // Daemons ask again and again.
    for (let second = 0; second < 29; second++) {
      await clock.advance(1_000);
      queue.cancel(own.tag);
    }
    expect(queue.ends).toEqual([]);
    if (isPatient) goOn();
    await clock.advance(1_000);
    const [[, end] = []] = queue.ends;
    expect(end?.outcome).toMatchObject({ isOk: false, returnCode: -15 });
    if (isPatient) expect(end?.outcome.reason).toBeNull();
    else expect(end?.outcome.reason).toStartWith("What the command has left could not be handed over");
    expect(called().at(-1)).toBe("discard");
  }
});

test("a cancellation that comes while output is delivered changes nothing when that is done soon", async () => {
  for (const isSoon of [true, false]) {
    await using world = await setup();
    const { queue, runner, workplace, begin, clock } = world;
    const goOn = workplace.hold("deliver");
    await begin(own);
    runner.end(idOf(own), GOOD);
    await settle();
    queue.cancel(own.tag);
    await clock.advance(20_000);
    if (isSoon) goOn();
    await clock.advance(10_000);
    expect(queue.ends[0]?.[1].outcome).toMatchObject({ isOk: isSoon, returnCode: 0 });
  }
});

test("what is no longer ours is neither brought nor delivered any further, and its copy goes", async () => {
  for (const method of ["prepare", "deliver"] as const) {
    await using world = await setup();
    const { queue, runner, workplace, begin, bring, clock, called } = world;
    workplace.hold(method);
    if (method === "prepare") await bring();
    else {
      await begin(own);
      runner.end(idOf(own), GOOD);
      await settle();
    }
    queue.answer = { cancelled: [], lost: [own.tag], unclaimed: [] };
    await clock.advance(LEASE_MS / 6);
    expect(queue.ends).toEqual([]);
    expect(called()).toEqual(method === "prepare" ? ["prepare", "discard"] : ["prepare", "deliver", "discard"]);
  }
});

test("an attempt whose copy an earlier life has left is prepared again, and the copies of others are removed", async () => {
  const workplace = controlledWorkplace();
  const other = attempt(2);
  workplace.left.push(own.tag, other.tag);
  await using world = await performerInTest({ left: [own], changes: { workplace } });
  expect(workplace.calls).toEqual([
    ["discard", other.tag],
    ["prepare", own.tag],
  ]);
  expect(world.queue.ends).toEqual([]);
});
