import { describe, expect, test } from "bun:test";
import { didYouMean, nearest } from "../../src/config/nearest.ts";

const KEYS = ["command_template", "input_schema", "upload_needs", "allowed_roles", "summary", "description"];

describe("nearest()", () => {
  test.each([
    ["command", "command_template"],
    ["comand_template", "command_template"],
    ["upload_need", "upload_needs"],
    ["upload-needs", "upload_needs"],
    ["uploadneeds", "upload_needs"],
    ["inptu_schema", "input_schema"],
    ["Summary", "summary"],
    ["descr", "description"],
  ])("%s probably means %s", (word, meant) => {
    expect(nearest(word, KEYS)).toBe(meant);
  });

  test.each(["", "x", "su", "timeout", "zzzzzzzz"])("nothing is near to %j", (word) => {
    expect(nearest(word, KEYS)).toBeUndefined();
  });

  test("a typing error counts more than a common beginning", () => {
    expect(nearest("slot", ["slots_per_node", "slots"])).toBe("slots");
    expect(nearest("time", ["timeout", "time_"])).toBe("time_");
  });

  test("two swapped letters are one error", () => {
    expect(nearest("ytpe", ["type"])).toBe("type");
  });
});

test("didYouMean() is empty without a suggestion", () => {
  expect(didYouMean("sumary", KEYS)).toBe(' (did you mean "summary"?)');
  expect(didYouMean("zzzzzzzz", KEYS)).toBe("");
});
