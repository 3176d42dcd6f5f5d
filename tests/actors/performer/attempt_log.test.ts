import { expect, test } from "bun:test";
import type { OwnAttempt } from "../../../src/ports/attempt_queue.ts";
import type { LogFields } from "../../../src/ports/logger.ts";
import { settle } from "../../support/manual_clock.ts";
import { attempt, GOOD, idOf, LEASE_MS, performerInTest } from "../../support/performer_in_test.ts";

/** As a template makes it of form values. */
const SECRET: OwnAttempt = { ...attempt(7), job: { ...attempt(7).job, command: "login hunter2" } };
const OF_JOB = { destination: "far", job: 7, tag: SECRET.tag, application: "a", directory: "/jobs/7" };

function linesOf({ logger }: Awaited<ReturnType<typeof performerInTest>>): readonly LogFields[] {
  const lines = logger.lines.filter(({ fields }) => "application" in fields);
  return lines.map(({ level, message, fields: { actor: _, ...fields } }) => ({ level, message, ...fields }));
}

test("the log of a performer tells that a command was started and how it ended, as the daemon's does, and never the command", async () => {
  await using world = await performerInTest();
  await world.begin(SECRET);
  const started = { level: "debug", message: "The command has been started", ...OF_JOB };
  expect(linesOf(world)).toEqual([started]);
  await world.clock.advance(1_500);
  world.runner.end(idOf(SECRET), { isOk: false, returnCode: 3, reason: null });
  await settle();
  const ended = { level: "info", message: "The job has ended", ...OF_JOB };
  expect(linesOf(world)).toEqual([started, { ...ended, state: "error", returnCode: 3, durationMs: 1_500 }]);
  expect(JSON.stringify(world.logger.lines)).not.toContain("hunter2");
});

test("it tells the directory where the command works, when that is a copy", async () => {
  const workplace = {
    ...{ isStaged: true, tags: () => [], readFrom: async () => undefined },
    prepare: async () => "/copies/7",
    ...{ deliver: async () => {}, discard: async () => {}, close: async () => {} },
  };
  await using world = await performerInTest({ changes: { workplace } });
  await world.begin(SECRET);
  expect(linesOf(world)).toMatchObject([{ directory: "/copies/7" }]);
});

test("it tells once of an end that is told to Redis only later, and of a cancellation that it was one", async () => {
  await using world = await performerInTest();
  await world.begin(SECRET);
  world.queue.cancel(SECRET.tag);
  world.queue.fault = new Error("Redis is away");
  await world.clock.advance(10_000);
  world.runner.end(idOf(SECRET), { isOk: false, returnCode: -15, reason: null });
  await world.clock.advance(10_000);
  world.queue.fault = undefined;
  await world.clock.advance(10_000);
  expect(world.queue.ends).toHaveLength(1);
  expect(linesOf(world).slice(1)).toMatchObject([
    { message: "The job has ended", returnCode: -15, wasCancelled: true },
  ]);
});

test("it warns of a job that counts as lost", async () => {
  await using world = await performerInTest();
  await world.begin(SECRET);
  world.queue.answer = { cancelled: [], lost: [SECRET.tag], unclaimed: [] };
  await world.clock.advance(LEASE_MS / 6);
  expect(linesOf(world).slice(1)).toEqual([
    { level: "warn", message: "The job is no longer this performer's; nobody is told how it ended", ...OF_JOB },
  ]);
});

test("how long a job took is not told of one that an earlier performer has begun", async () => {
  await using world = await performerInTest({ left: [SECRET] });
  world.runner.end(idOf(SECRET), GOOD);
  await settle();
  const [, ended] = linesOf(world);
  expect(ended).toMatchObject({ message: "The job has ended", state: "ok" });
  expect(ended).not.toHaveProperty("durationMs");
});
