import { describe, expect, test } from "bun:test";
import {
  type Care,
  type CareEvent,
  type CarePolicy,
  careAfter,
  NOT_LOOKED_AT,
} from "../../src/core/credential_care.ts";

const POLICY: CarePolicy = {
  minLifeMs: 1_800_000,
  checkEveryMs: 600_000,
  backoff: { initialMs: 5_000, factor: 2, maxMs: 300_000, jitter: 0.3 },
};
const HOUR = 3_600_000;

/** What comes of events that happen at `nowMs`, one after the other. */
function after(nowMs: number, care: Care, ...events: readonly CareEvent[]): Care {
  return events.reduce((current, event) => careAfter(current, event, POLICY, nowMs, 0), care);
}

const checked = (leftMs: number, reason = "There is none"): CareEvent => ({ type: "checked", leftMs, reason });
const failed = (reason: string): CareEvent => ({ type: "failed", reason });
const MADE: CareEvent = { type: "made" };
const DUE: CareEvent = { type: "due" };

const valid = after(0, NOT_LOOKED_AT, checked(24 * HOUR));

describe("a credential that lasts long enough", () => {
  test("is used as it is, whoever made it, and looked at again every ten minutes", () => {
    expect(valid).toEqual({
      credential: { state: "valid", endsMs: 24 * HOUR, trouble: null },
      step: { type: "wait", untilMs: 600_000 },
      failures: 0,
    });
    expect(after(600_000, valid, DUE).step).toEqual({ type: "check" });
  });

  test("is looked at when the time to renew it comes, if that is sooner", () => {
    expect(after(0, NOT_LOOKED_AT, checked(HOUR / 2 + 60_000)).step).toEqual({ type: "wait", untilMs: 60_000 });
  });
});

describe("a credential that ends soon", () => {
  test("stays in use while it is made anew, and is looked at when it was", () => {
    const making = after(0, NOT_LOOKED_AT, checked(HOUR / 2));
    expect(making).toMatchObject({ credential: { state: "valid", endsMs: HOUR / 2 }, step: { type: "make" } });
    const confirming = after(2_000, making, MADE);
    expect(confirming.step).toEqual({ type: "confirm" });
    expect(after(3_000, confirming, checked(24 * HOUR)).credential).toMatchObject({
      state: "valid",
      endsMs: 3_000 + 24 * HOUR,
    });
  });

  test("that cannot be renewed is said to be in trouble until its end, and lost from then on", () => {
    const troubled = after(0, NOT_LOOKED_AT, checked(12_000), failed("No certificate"));
    expect(troubled.credential).toEqual({ state: "valid", endsMs: 12_000, trouble: "No certificate" });
    expect(troubled.step).toEqual({ type: "wait", untilMs: 5_000 });
    const again = after(5_000, troubled, DUE, checked(7_000), failed("No certificate"));
    expect(again.step).toEqual({ type: "wait", untilMs: 12_000 });
    const ended = after(12_000, again, DUE, checked(0, "It is over"));
    expect(ended).toMatchObject({ credential: { state: "unknown" }, step: { type: "make" } });
    expect(after(12_500, ended, failed("No certificate")).credential).toEqual({
      state: "lost",
      reason: "No certificate",
      sinceMs: 12_500,
    });
  });

  test("and never lasts longer than that is renewed at half its life", () => {
    const short = after(0, NOT_LOOKED_AT, checked(0), MADE, checked(600_000));
    expect(short).toMatchObject({ credential: { state: "valid" }, step: { type: "wait", untilMs: 300_000 } });
  });
});

describe("a credential that is not there", () => {
  test("is made at once", () => {
    expect(after(0, NOT_LOOKED_AT, checked(0))).toMatchObject({
      credential: { state: "unknown" },
      step: { type: "make" },
    });
  });

  test("is tried again with longer and longer waits, part of each left to chance", () => {
    let care = after(0, NOT_LOOKED_AT, checked(0), failed("Refused"));
    const waits: number[] = [];
    for (let tries = 0; tries < 8; tries++) {
      if (care.step.type !== "wait") throw new Error(`It does not wait but is about to ${care.step.type}`);
      waits.push(care.step.untilMs);
      care = after(0, care, DUE, checked(0), failed("Refused"));
    }
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    const step = careAfter(NOT_LOOKED_AT, failed("Refused"), POLICY, 0, 0.5).step;
    expect(step).toEqual({ type: "wait", untilMs: 5_000 * 0.85 });
  });

  test("stays lost since the first time, with the newest reason, until it is there again", () => {
    const lost = after(1_000, NOT_LOOKED_AT, checked(0), failed("Refused"));
    const later = after(9_000, lost, DUE, checked(0, "There is none"), failed("Bad password"));
    expect(later.credential).toEqual({ state: "lost", reason: "Bad password", sinceMs: 1_000 });
    const back = after(20_000, later, DUE, checked(HOUR));
    expect(back).toMatchObject({ credential: { state: "valid", trouble: null }, failures: 0 });
  });

  test("is lost with the reason when what was made is of no use", () => {
    const care = after(0, NOT_LOOKED_AT, checked(0), MADE, checked(0, "It ends before it begins"));
    expect(care.credential).toMatchObject({ state: "lost", reason: "It ends before it begins" });
  });
});

test("a look that was not answered takes nothing away from a credential that lasts", () => {
  const care = after(600_000, valid, DUE, failed("The host is away"));
  expect(care.credential).toEqual({ state: "valid", endsMs: 24 * HOUR, trouble: "The host is away" });
  expect(after(600_000, care, DUE, checked(24 * HOUR - 600_000)).credential).toMatchObject({ trouble: null });
});

test("one that is never answered is lost with the reason", () => {
  expect(after(0, NOT_LOOKED_AT, failed("The host is away")).credential).toEqual({
    state: "lost",
    reason: "The host is away",
    sinceMs: 0,
  });
});
