import { describe, expect, test } from "bun:test";
import { BUILT_IN_RULES, PickError } from "../../src/core/destination_picker.ts";

const question = { application: "b", applications: ["a", "b", "c"], destinations: ["x", "b"], counter: 0 };

describe("BUILT_IN_RULES", () => {
  test("pick_first answers the first destination", () => {
    expect(BUILT_IN_RULES.pick_first(question)).toBe("x");
  });

  test("pick_byname answers the destination named like the application", () => {
    expect(BUILT_IN_RULES.pick_byname(question)).toBe("b");
    expect(() => BUILT_IN_RULES.pick_byname({ ...question, application: "c" })).toThrow(PickError);
  });

  test("pick_byindex answers the n-th destination for the n-th application", () => {
    expect(BUILT_IN_RULES.pick_byindex({ ...question, application: "a" })).toBe("x");
    expect(BUILT_IN_RULES.pick_byindex(question)).toBe("b");
    expect(() => BUILT_IN_RULES.pick_byindex({ ...question, application: "c" })).toThrow(
      'the application "c" is number 3, but there are only 2 destinations',
    );
    expect(() => BUILT_IN_RULES.pick_byindex({ ...question, application: "z" })).toThrow(PickError);
  });

  test("pick_round answers the destinations in turn, starting with the first", () => {
    const answers = [0, 1, 2, 3].map((counter) => BUILT_IN_RULES.pick_round({ ...question, counter }));
    expect(answers).toEqual(["x", "b", "x", "b"]);
  });

  test.each(["pick_first", "pick_byname", "pick_byindex", "pick_round"] as const)(
    "%s has no answer without destinations",
    (name) => {
      expect(() => BUILT_IN_RULES[name]({ ...question, destinations: [] })).toThrow(PickError);
    },
  );
});
