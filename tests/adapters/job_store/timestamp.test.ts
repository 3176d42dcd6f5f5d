import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeTimestamp, encodeTimestamp } from "../../../adapters/job_store/timestamp.ts";

const anyMs = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });

test("a time is written in UTC with three fraction digits and a zone", () => {
  expect(encodeTimestamp(Date.UTC(2022, 0, 1))).toBe("2022-01-01T00:00:00.000Z");
  expect(encodeTimestamp(1)).toBe("1970-01-01T00:00:00.001Z");
});

test("any time comes back to the millisecond", () => {
  fc.assert(fc.property(anyMs, (ms) => expect(decodeTimestamp(encodeTimestamp(ms))).toBe(ms)));
});

test("texts sort like the times that they stand for", () => {
  fc.assert(
    fc.property(anyMs, anyMs, (a, b) => {
      expect(encodeTimestamp(a) < encodeTimestamp(b)).toBe(a < b);
    }),
  );
});

test("times with an offset are read too, to the microsecond", () => {
  expect(decodeTimestamp("2026-03-04T06:06:07.345588+01:00")).toBe(Date.UTC(2026, 2, 4, 5, 6, 7) + 345.588);
  expect(decodeTimestamp("2022-01-01T00:00:00+00:00")).toBe(Date.UTC(2022, 0, 1));
});

test.each(["", "2022-01-01", "2022-01-01T00:00:00.000", "1640995200000", "2022-13-01T00:00:00.000Z", "today"])(
  "%p is refused",
  (text) => {
    expect(() => decodeTimestamp(text)).toThrow("expected an ISO 8601 time with a time zone");
  },
);
