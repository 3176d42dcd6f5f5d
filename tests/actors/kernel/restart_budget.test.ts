import { expect, test } from "bun:test";
import { NO_RESTARTS, type RestartBudget, spend } from "../../../actors/kernel/restart_budget.ts";

const BUDGET: RestartBudget = { maxRestarts: 3, withinMs: 1_000, backOff: { initialMs: 0, factor: 2, maxMs: 500 } };

/** What `spend` answers to crashes at these times: delays, or `exhausted`. */
function answers(budget: RestartBudget, crashesMs: readonly number[]): readonly (number | "exhausted")[] {
  let history = NO_RESTARTS;
  return crashesMs.map((nowMs) => {
    const verdict = spend(budget, history, nowMs);
    if (verdict.type === "exhausted") return "exhausted";
    history = verdict.history;
    return verdict.delayMs;
  });
}

test("spend() is exhausted by the crash that would need one restart too many", () => {
  expect(answers(BUDGET, [0, 10, 20, 30])).toEqual([0, 0, 0, "exhausted"]);
});

test("spend() exhausts a budget without restarts at the first crash", () => {
  expect(answers({ ...BUDGET, maxRestarts: 0 }, [0])).toEqual(["exhausted"]);
});

test("spend() forgets restarts when the window has moved past them", () => {
  expect(answers(BUDGET, [0, 10, 20, 1_000])).toEqual([0, 0, 0, 0]);
  expect(answers(BUDGET, [0, 10, 20, 999])).toEqual([0, 0, 0, "exhausted"]);
});

test("spend() lets the delay grow by its factor up to its maximum", () => {
  const budget = { maxRestarts: 10, withinMs: 10_000, backOff: { initialMs: 100, factor: 2, maxMs: 500 } };
  expect(answers(budget, [0, 200, 500, 1_000, 2_000])).toEqual([100, 200, 400, 500, 500]);
});

test("spend() starts again with the first delay after a whole window without restarts", () => {
  const budget = { maxRestarts: 10, withinMs: 1_000, backOff: { initialMs: 100, factor: 2, maxMs: 500 } };
  expect(answers(budget, [0, 200, 1_400])).toEqual([100, 200, 100]);
});

test("spend() counts a restart when it is due, so that a long back-off does not hide a loop", () => {
  const budget = { maxRestarts: 1, withinMs: 100, backOff: { initialMs: 500, factor: 1, maxMs: 500 } };
  expect(answers(budget, [0, 500])).toEqual([500, "exhausted"]);
});

test("spend() keeps a delay of nothing at nothing, however long the streak", () => {
  const budget = { maxRestarts: 5_000, withinMs: 10_000, backOff: { initialMs: 0, factor: 10, maxMs: 500 } };
  expect(
    new Set(
      answers(
        budget,
        Array.from({ length: 2_000 }, (_, n) => n),
      ),
    ),
  ).toEqual(new Set([0]));
});
