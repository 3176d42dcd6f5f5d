import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { findJsonFault } from "../../src/http/json_fault.ts";

describe("the fault of a text that is no JSON", () => {
  /** Recorded from the json module of Python 3.11. */
  const recorded: readonly (readonly [string, string, number, number, number])[] = [
    ["", "Expecting value", 0, 1, 1],
    ["   ", "Expecting value", 3, 1, 4],
    ["nope", "Expecting value", 0, 1, 1],
    ["{", "Expecting property name enclosed in double quotes", 1, 1, 2],
    ["[", "Expecting value", 1, 1, 2],
    ["[1,", "Expecting value", 3, 1, 4],
    ["[1 2]", "Expecting ',' delimiter", 3, 1, 4],
    ["[1,]", "Expecting value", 3, 1, 4],
    ['{"a"', "Expecting ':' delimiter", 4, 1, 5],
    ['{"a":', "Expecting value", 5, 1, 6],
    ['{"a" 1}', "Expecting ':' delimiter", 5, 1, 6],
    ['{"a":1 "b":2}', "Expecting ',' delimiter", 7, 1, 8],
    ['{"a":1,}', "Expecting property name enclosed in double quotes", 7, 1, 8],
    ["{a:1}", "Expecting property name enclosed in double quotes", 1, 1, 2],
    ['"abc', "Unterminated string starting at", 0, 1, 1],
    ['"a\nb"', "Invalid control character at", 2, 1, 3],
    ['"\\x"', "Invalid \\escape", 1, 1, 2],
    ['"\\u12g4"', "Invalid \\uXXXX escape", 2, 1, 3],
    ['"\\u12"', "Invalid \\uXXXX escape", 2, 1, 3],
    ['"a" "b"', "Extra data", 4, 1, 5],
    ['{"a":[1,{"b":}]}', "Expecting value", 13, 1, 14],
    ["\n\n  x", "Expecting value", 4, 3, 3],
    ["tru", "Expecting value", 0, 1, 1],
    ["-", "Expecting value", 0, 1, 1],
    ["01", "Extra data", 1, 1, 2],
    ["1.", "Extra data", 1, 1, 2],
    [".5", "Expecting value", 0, 1, 1],
    ['"\u00e9" x', "Extra data", 4, 1, 5],
    ['"\ud83d\ude00" x', "Extra data", 4, 1, 5],
    ["[]]", "Extra data", 2, 1, 3],
    ["{}}", "Extra data", 2, 1, 3],
    ['{"a":"b\tc"}', "Invalid control character at", 7, 1, 8],
    ['"\\', "Unterminated string starting at", 0, 1, 1],
    ["'a'", "Expecting value", 0, 1, 1],
    ["[[[[", "Expecting value", 4, 1, 5],
  ];
  test.each(recorded)("%p is: %s", (text, msg, pos, lineno, colno) => {
    expect(findJsonFault(text)).toEqual({ msg, pos, lineno, colno });
  });

  test("is found in a hundred thousand open brackets", () => {
    expect(findJsonFault("[".repeat(100_000))).toMatchObject({ msg: "Expecting value", pos: 100_000 });
  });

  test("lies inside every text that JSON.parse refuses, or at its end", () => {
    const tokens = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      "1",
      "-2.5e3",
      "true",
      "null",
      " ",
      "\n",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        fc.pre(!isJson(text));
        const { pos, msg } = findJsonFault(text);
        expect(msg).not.toBe("");
        expect(pos).toBeGreaterThanOrEqual(0);
        expect(pos).toBeLessThanOrEqual(text.length);
      }),
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
