import { expect, test } from "bun:test";
import { afterLong } from "../../../adapters/clock/long_timer.ts";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const DAY_MS = 86_400_000;

test("a delay of more than 25 days is kept to the millisecond", async () => {
  const clock = new ManualClock();
  let firedMs: number | undefined;
  afterLong(clock, 60 * DAY_MS, () => {
    firedMs = clock.monotonicMs();
  });
  expect(clock.nextInMs()).toBeLessThan(2 ** 31);
  await clock.advance(60 * DAY_MS - 1);
  expect(firedMs).toBeUndefined();
  await clock.advance(1);
  expect(firedMs).toBe(60 * DAY_MS);
});

test("a delay that has passed fires at once, and a prevented one never, not even halfway", async () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  afterLong(clock, -5, () => fired.push("past"));
  const prevent = afterLong(clock, 60 * DAY_MS, () => fired.push("prevented"));
  await clock.advance(30 * DAY_MS);
  prevent();
  prevent();
  await clock.advance(60 * DAY_MS);
  expect(fired).toEqual(["past"]);
  expect(clock.pending).toBe(0);
});

test("the clock of the machine takes delays of more than 25 days, which do not fire at once", async () => {
  const { after } = systemClock();
  const fired: string[] = [];
  const prevent = after(30 * DAY_MS, () => fired.push("long"));
  await new Promise<void>((resolve) => after(50, resolve));
  prevent();
  expect(fired).toEqual([]);
});
