import { describe, expect, test } from "bun:test";
import { array, assert, boolean, constantFrom, integer, property, tuple } from "fast-check";
import {
  FAULTS_UNTIL_DEGRADED,
  HEALTHY,
  type Health,
  type HealthEvent,
  healthAfter,
  roomForTries,
} from "../../src/core/destination_health.ts";

const BACKOFF = { initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0 };
const ANSWERED: HealthEvent = { type: "answered" };
const FAULT: HealthEvent = { type: "unanswered", reason: "Connection refused", isProbe: false };
const PROBE_FAULT: HealthEvent = { type: "unanswered", reason: "No route", isProbe: true };
const DUE: HealthEvent = { type: "probe_due" };
const STARTED: HealthEvent = { type: "probe_started" };
const QUIET: HealthEvent = { type: "quiet" };
const DEGRADED: Health = {
  state: "degraded",
  reason: "Connection refused",
  sinceMs: 100,
  nextTryMs: 2_100,
  isDue: false,
  steps: 2,
};
const RECOVERING: Health = { state: "recovering", sinceMs: 100, steps: 2, room: 1, moreRoomMs: 5_000 };

function after(health: Health, nowMs: number, ...events: readonly HealthEvent[]): Health {
  return events.reduce((before, event) => healthAfter(before, event, BACKOFF, nowMs, 0), health);
}

describe("a healthy part of a destination", () => {
  test("becomes degraded by faults in a row, with the reason and the time of the next try", () => {
    const almost = after(HEALTHY, 0, ...Array.from({ length: FAULTS_UNTIL_DEGRADED - 1 }, () => FAULT));
    expect(almost.state).toBe("healthy");
    expect(after(almost, 5_000, FAULT)).toEqual({
      state: "degraded",
      reason: "Connection refused",
      sinceMs: 5_000,
      nextTryMs: 6_000,
      isDue: false,
      steps: 1,
    });
  });

  test("stays healthy while answers come in between", () => {
    expect(after(HEALTHY, 0, FAULT, FAULT, ANSWERED, FAULT, FAULT)).toEqual({ state: "healthy", faults: 2 });
  });

  test("has room for any number of tries", () => {
    expect(roomForTries(HEALTHY, 1_000_000)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("a degraded part", () => {
  test("has room for one try once its time has come, and for another when that lasts for a step", () => {
    expect(roomForTries(DEGRADED, 0)).toBe(0);
    const due = after(DEGRADED, 2_100, DUE);
    expect(roomForTries(due, 0)).toBe(1);
    const trying = after(due, 3_000, STARTED);
    expect(trying).toEqual({ ...DEGRADED, nextTryMs: 7_000, steps: 3 });
    expect(roomForTries(trying, 1)).toBe(0);
    expect(roomForTries(after(trying, 7_000, DUE), 1)).toBe(1);
  });

  test("waits twice as long after each try that failed, and takes over its reason", () => {
    const second = after(DEGRADED, 3_000, DUE, STARTED, PROBE_FAULT);
    expect(second).toMatchObject({ reason: "No route", nextTryMs: 7_000, sinceMs: 100 });
    expect(after(second, 7_000, DUE, STARTED, PROBE_FAULT)).toMatchObject({ nextTryMs: 15_000 });
  });

  test("learns nothing from tries that began before", () => {
    expect(after(DEGRADED, 3_000, FAULT)).toBe(DEGRADED);
  });

  test("recovers with the first answer, whoever got it", () => {
    expect(after(DEGRADED, 3_000, ANSWERED)).toEqual(RECOVERING);
  });
});

describe("a recovering part", () => {
  test("has twice as much room after each answer", () => {
    const rooms = [RECOVERING, after(RECOVERING, 0, ANSWERED), after(RECOVERING, 0, ANSWERED, ANSWERED)];
    expect(rooms.map((health) => roomForTries(health, 0))).toEqual([1, 2, 4]);
    expect(roomForTries(RECOVERING, 5)).toBe(0);
  });

  test("has twice as much room also after a step without an answer, as a try may last for hours", () => {
    expect(after(RECOVERING, 5_000, DUE)).toEqual({ ...RECOVERING, room: 2, moreRoomMs: 7_000 });
  });

  test("learns nothing from faults of tries that began before it answered", () => {
    expect(after(RECOVERING, 10_000, FAULT)).toBe(RECOVERING);
  });

  test("goes on with the back-off where it was when a try fails", () => {
    expect(after(RECOVERING, 10_000, PROBE_FAULT)).toMatchObject({
      state: "degraded",
      sinceMs: 100,
      nextTryMs: 14_000,
      steps: 3,
    });
  });

  test("is healthy when nobody waits any more", () => {
    expect(after(RECOVERING, 0, QUIET)).toBe(HEALTHY);
  });
});

describe("whatever happens", () => {
  test("waits stay within the bounds, and an answer is enough to go on", () => {
    const events = constantFrom(ANSWERED, FAULT, PROBE_FAULT, DUE, STARTED, QUIET);
    assert(
      property(
        array(tuple(events, integer({ min: 0, max: 100_000 })), { maxLength: 60 }),
        boolean(),
        (steps, isQuiet) => {
          let health = HEALTHY;
          let nowMs = 0;
          for (const [event, passedMs] of steps) {
            nowMs += passedMs;
            const next = after(health, nowMs, event);
            if (next.state === "degraded" && next !== health && !next.isDue) {
              expect(next.nextTryMs).toBeGreaterThanOrEqual(nowMs + BACKOFF.initialMs);
              expect(next.nextTryMs).toBeLessThanOrEqual(nowMs + BACKOFF.maxMs);
            }
            health = next;
          }
          const answered = after(health, nowMs, ANSWERED);
          expect(roomForTries(answered, 0)).toBeGreaterThanOrEqual(1);
          if (isQuiet) expect(after(answered, nowMs, QUIET)).toEqual(HEALTHY);
        },
      ),
    );
  });
});
