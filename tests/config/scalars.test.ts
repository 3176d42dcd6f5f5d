import { describe, expect, test } from "bun:test";
import { parseBoolean, parseDecimal, parseSettingNumber } from "../../src/config/scalars.ts";

describe("parseBoolean()", () => {
  test.each(["true", "1", "yes", "on", "t", "y", "TRUE", "Yes", "oN", "T", "Y"])("%s is true", (text) => {
    expect(parseBoolean(text)).toBe(true);
  });

  test.each(["false", "0", "no", "off", "f", "n", "FALSE", "No", "OFF", "F", "N"])("%s is false", (text) => {
    expect(parseBoolean(text)).toBe(false);
  });

  test.each(["", "2", "ja", "tru", " true", "null"])("%j is neither", (text) => {
    expect(parseBoolean(text)).toBeUndefined();
  });
});

describe("parseDecimal()", () => {
  test.each([
    ["3", 3],
    ["-3", -3],
    ["+3", 3],
    ["007", 7],
    ["2.50", 2.5],
    [".5", 0.5],
    ["5.", 5],
    ["1e3", 1000],
    ["1E-2", 0.01],
    [" 3 ", 3],
  ])("%j is a number", (text, value) => {
    expect(parseDecimal(text)).toBe(value);
  });

  test.each(["", " ", "3x", "x3", "0x10", "1_000", "1,5", "Infinity", "NaN", ".", "e3", "1e999", "--1", "1 2", "٣"])(
    "%j is none",
    (text) => {
      expect(parseDecimal(text)).toBeUndefined();
    },
  );
});

describe("parseSettingNumber()", () => {
  test("underscores may stand between digits only", () => {
    expect(parseSettingNumber("10_000_000")).toBe(10_000_000);
    for (const text of ["_1", "1_", "1__0", "1_.5"]) {
      expect(parseSettingNumber(text)).toBeUndefined();
    }
  });
});
