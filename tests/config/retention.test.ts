import { describe, expect, test } from "bun:test";
import { configOf, faultsOf, loadText } from "./support/load_text.ts";

const DAY_MS = 24 * 3600 * 1000;

const file = (top: string, application = "") =>
  `${top}\napplications:\n  wc: {command_template: wc README.md${application}}\n  ls: {command_template: ls}\n`;

describe("keep_for", () => {
  test.each([
    ["P30D", 30 * DAY_MS],
    ["P2W", 14 * DAY_MS],
    ["p2w", 14 * DAY_MS],
    ["PT12H", DAY_MS / 2],
    ["P1DT12H", 1.5 * DAY_MS],
    ["86400", DAY_MS],
    ["48:00:00", 2 * DAY_MS],
  ])("of %s is %d ms", async (text, ms) => {
    const { retention } = await configOf(file(`keep_for: ${text}`));
    expect(retention).toEqual({ defaultMs: ms, applicationMs: new Map() });
  });

  test("of an application stands beside that for all", async () => {
    const { retention } = await configOf(file("keep_for: P30D", ", keep_for: P1W"));
    expect(retention).toEqual({ defaultMs: 30 * DAY_MS, applicationMs: new Map([["wc", 7 * DAY_MS]]) });
  });

  test("is off when it is absent or null", async () => {
    const { retention } = await configOf(file("keep_for: null"));
    expect(retention).toEqual({ defaultMs: null, applicationMs: new Map() });
  });

  test.each([
    ["P3M", "months have no fixed length; count days instead, e.g. P30D"],
    ["P1Y", "years have no fixed length; count days instead, e.g. P365D"],
    ["P12H", "did you mean PT12H?"],
    ["P1W2D", "weeks stand alone, e.g. P2W"],
    ["P600W", "longer than ten years"],
    ["0", "shorter than a second"],
    ["forever", "neither seconds, nor like PT12H"],
  ])("of %s is refused with a hint", async (text, hint) => {
    const [fault = "", ...more] = await faultsOf(file("", `, keep_for: ${text}`));
    expect(fault).toStartWith("config.yaml:3:50: applications.wc.keep_for: expected ");
    expect(fault).toContain(hint);
    expect(more).toEqual([]);
  });

  test("of a bare number is taken for seconds, with a warning", async () => {
    const { warnings } = await loadText(file("keep_for: 30", ", keep_for: PT30S"));
    expect(warnings.map(({ path, message }) => [path, message])).toEqual([
      [["keep_for"], "30 means seconds; did you mean P30D, days?"],
    ]);
  });
});
