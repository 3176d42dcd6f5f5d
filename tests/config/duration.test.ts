import { describe, expect, test } from "bun:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parseDuration } from "../../src/config/duration.ts";
import { configJsonSchema } from "../../src/config/json_schema.ts";

const GOOD: readonly [number | string, number][] = [
  [1, 1],
  [3600, 3600],
  [2.7, 2],
  ["3600", 3600],
  ["PT12H", 43_200],
  ["PT5M", 300],
  ["PT90S", 90],
  ["P1D", 86_400],
  ["P1DT1H1M1S", 90_061],
  ["PT1.5H", 5400],
  ["pt5m", 300],
  ["00:05:00", 300],
  ["1:30:00", 5400],
  ["100:00:00", 360_000],
];

const BAD: readonly (number | string)[] = [
  0,
  -5,
  0.5,
  "",
  "0",
  "-5",
  "P",
  "PT",
  "P1DT",
  "PT0S",
  "P5M",
  "P1Y",
  "P1W",
  "P1Y2D",
  "P12H",
  "5M",
  "-PT5M",
  "soon",
  "5:00",
  "00:60:00",
  "00:00:60",
  "PT1H30",
  1e12,
];

describe("parseDuration()", () => {
  test.each(GOOD)("%j is %d seconds", (value, seconds) => {
    expect(parseDuration(value)).toEqual({ isValid: true, seconds });
  });

  test.each(BAD)("%j is refused, naming it", (value) => {
    const duration = parseDuration(value);
    if (duration.isValid) throw new Error("expected to be refused");
    expect(duration.reason).toContain(`got ${JSON.stringify(value)} (invalid duration format: `);
  });

  test.each([
    ["P5M", "PT5M"],
    ["P12H", "PT12H"],
    ["P90S", "PT90S"],
    ["5:00", "00:05:00"],
    ["90:00", "01:30:00"],
  ])("%s is refused with the hint %s", (text, hint) => {
    const duration = parseDuration(text);
    expect(duration.isValid ? "" : duration.reason).toContain(hint);
  });
});

test("editors are told the same about durations", () => {
  const validate = new Ajv2020({ strict: false }).compile(configJsonSchema());
  const file = (job_timeout: unknown) => ({
    applications: { wc: { command_template: "wc" } },
    destinations: { x: { scheduler: { type: "arq", job_timeout }, filesystem: { type: "local" } } },
  });
  // Whole numbers; that a fraction is cut off is a leniency that editors need not suggest.
  for (const [value] of GOOD.filter(([candidate]) => candidate !== 2.7)) {
    expect({ value, isValid: validate(file(value)) }).toEqual({ value, isValid: true });
  }
  for (const value of ["", "P", "PT", "P1DT", "P5M", "P1Y", "P1W", "P12H", "5M", "soon", "5:00", "00:60:00", 0, -5]) {
    expect({ value, isValid: validate(file(value)) }).toEqual({ value, isValid: false });
  }
});
