import { describe, expect, test } from "bun:test";
import { backoffMs, DEFAULT_BACKOFF } from "../../src/core/backoff.ts";

describe("backoffMs()", () => {
  const policy = { initialMs: 100, factor: 3, maxMs: 5_000, jitter: 0.5 };

  test("grows by the factor with every failure", () => {
    expect([1, 2, 3, 4].map((failures) => backoffMs(policy, failures, 0))).toEqual([100, 300, 900, 2700]);
  });

  test("never waits longer than the maximum, however often it failed", () => {
    expect(backoffMs(policy, 5, 0)).toBe(5_000);
    expect(backoffMs(policy, 1e9, 0)).toBe(5_000);
  });

  test("shortens a wait by at most the jitter", () => {
    expect(backoffMs(policy, 1, 0.5)).toBe(75);
    expect(backoffMs(policy, 1, 0.999)).toBeGreaterThanOrEqual(50);
  });

  test("starts at a second by default", () => {
    expect(backoffMs(DEFAULT_BACKOFF, 1, 0)).toBe(1_000);
    expect(backoffMs(DEFAULT_BACKOFF, 20, 0)).toBe(300_000);
  });
});
