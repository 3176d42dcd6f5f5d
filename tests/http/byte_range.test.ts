import { describe, expect, test } from "bun:test";
import { parseByteRange } from "../../src/http/byte_range.ts";

describe("parseByteRange()", () => {
  const cases: readonly (readonly [header: string | undefined, size: number, expected: unknown])[] = [
    ["bytes=0-0", 10, { start: 0, end: 1 }],
    ["bytes=2-5", 10, { start: 2, end: 6 }],
    ["bytes=2-", 10, { start: 2, end: 10 }],
    ["bytes=2-99999999999999999999", 10, { start: 2, end: 10 }],
    ["bytes=-3", 10, { start: 7, end: 10 }],
    ["bytes=-30", 10, { start: 0, end: 10 }],
    ["BYTES=0-1", 10, { start: 0, end: 2 }],
    ["bytes=10-", 10, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=-1", 0, "unsatisfiable"],
    ["bytes=5-2", 10, undefined],
    ["bytes=0-1,4-5", 10, undefined],
    ["bytes=-", 10, undefined],
    ["bytes=a-b", 10, undefined],
    ["lines=0-1", 10, undefined],
    ["", 10, undefined],
    [undefined, 10, undefined],
  ];
  test.each(cases)("reads %p of a file of %d bytes", (header, size, expected) => {
    expect(parseByteRange(header, size)).toEqual(expected as never);
  });
});
