import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RateLimiter } from "../../src/core/rate_limiter.ts";

const MINUTE_MS = 60_000;

describe("a rate limiter", () => {
  test("lets as many through at once as there may be in a minute, then one after the other, evenly", () => {
    const limiter = new RateLimiter(3);
    expect([0, 0, 0, 0].map((nowMs) => limiter.take("a", nowMs))).toEqual([0, 0, 0, 20_000]);
    expect(limiter.take("a", 19_999)).toBe(1);
    expect(limiter.take("a", 20_000)).toBe(0);
    expect(limiter.take("a", 20_000)).toBe(20_000);
    expect([MINUTE_MS, MINUTE_MS, MINUTE_MS].map((nowMs) => limiter.take("a", nowMs))).toEqual([0, 0, 20_000]);
  });

  test("counts each for himself", () => {
    const limiter = new RateLimiter(1);
    expect(limiter.take("a", 0)).toBe(0);
    expect(limiter.take("b", 0)).toBe(0);
    expect(limiter.take("a", 0)).toBe(MINUTE_MS);
  });

  test("does not count what it refused", () => {
    const limiter = new RateLimiter(1);
    limiter.take("a", 0);
    for (let nowMs = 0; nowMs < MINUTE_MS; nowMs += 100) expect(limiter.take("a", nowMs)).toBe(MINUTE_MS - nowMs);
    expect(limiter.take("a", MINUTE_MS)).toBe(0);
  });

  test("forgets who has asked for nothing for a minute", () => {
    const limiter = new RateLimiter(100);
    for (let n = 0; n < 10_000; n++) limiter.take(`user ${n}`, n);
    expect(limiter.size).toBe(10_000);
    limiter.take("user 0", 50_000);
    limiter.take("another", 9_999 + MINUTE_MS);
    expect(limiter.size).toBe(2);
    limiter.take("another", 50_000 + 2 * MINUTE_MS);
    expect(limiter.size).toBe(1);
  });

  test("at any times lets no more through than its rate and one minute's worth, and keeps its word about waiting", () => {
    const gaps = fc.array(fc.oneof(fc.nat(50), fc.nat(90_000), fc.double({ min: 0, max: 5_000, noNaN: true })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), gaps, (perMinute, pauses) => {
        const limiter = new RateLimiter(perMinute);
        const taken: number[] = [];
        let nowMs = 0;
        for (const pause of pauses) {
          nowMs += pause;
          const waitMs = limiter.take("a", nowMs);
          if (waitMs === 0) taken.push(nowMs);
          else {
            nowMs += waitMs;
            expect(limiter.take("a", nowMs)).toBe(0);
            taken.push(nowMs);
          }
        }
        for (const [index, sinceMs] of taken.entries()) {
          // Times count in whole milliseconds.
          const allowed = perMinute + (perMinute * (nowMs - sinceMs + 1)) / MINUTE_MS;
          expect(taken.length - index).toBeLessThanOrEqual(Math.floor(allowed));
        }
      }),
      { numRuns: 200 },
    );
  });

  test("keeps its word about waiting when times have parts of milliseconds", () => {
    const limiter = new RateLimiter(1);
    let nowMs = 11_072;
    limiter.take("a", nowMs);
    nowMs += 0.00030990015602583304;
    for (let round = 0; round < 3; round++) {
      nowMs += limiter.take("a", nowMs);
      expect(limiter.take("a", nowMs)).toBe(0);
    }
  });
});
