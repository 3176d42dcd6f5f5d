import { describe, expect, test } from "bun:test";
import {
  type ChildState,
  type Goal,
  isRecycledWith,
  nextStep,
  type RestartPolicy,
  type Slot,
  type Step,
  type Strategy,
  wantsRestart,
} from "../../../actors/kernel/supervision.ts";

/** Slots written as `state>goal`, with `!` while held by a back-off. */
function slots(...words: readonly string[]): readonly Slot[] {
  return words.map((word) => {
    const [state, goal] = word.replace("!", "").split(">");
    return { state: state as ChildState, goal: goal as Goal, isHeld: word.endsWith("!") };
  });
}

/** The step as `type` or `type index`. */
function stepOf(all: readonly Slot[], isLoose = false): string {
  const step: Step<Slot> = nextStep(all, isLoose);
  return "slot" in step ? `${step.type} ${all.indexOf(step.slot)}` : step.type;
}

describe("nextStep()", () => {
  test.each([
    ["starts the first that is missing", ["running>run", "stopped>run", "stopped>run"], "start 1"],
    ["waits for a start before the next", ["starting>run", "stopped>run"], "wait"],
    ["is settled when all run or rest", ["running>run", "stopped>rest"], "settled"],
    ["stops from the last to the first", ["running>recycle", "running>recycle", "running>run"], "stop 1"],
    ["waits for a stop before the next", ["running>rest", "stopping>rest"], "wait"],
    ["stops also what is starting", ["starting>rest"], "stop 0"],
    ["starts nothing while something is to be stopped", ["stopped>recycle", "stopping>recycle"], "wait"],
    ["starts again from first to last", ["stopped>recycle", "stopped>recycle"], "start 0"],
    ["starts nothing while a back-off holds one", ["stopped>recycle", "stopped>recycle!"], "wait"],
  ])("%s", (_rule, words, expected) => {
    expect(stepOf(slots(...words))).toBe(expected);
  });

  test.each([
    ["past a sibling that starts", ["starting>run", "stopped>recycle"], "start 1"],
    ["past a sibling in its back-off", ["stopped>recycle!", "stopped>recycle"], "start 1"],
    ["but not itself while in its back-off", ["stopped>recycle!"], "wait"],
  ])("when loose, starts a child %s", (_rule, words, expected) => {
    expect(stepOf(slots(...words), true)).toBe(expected);
  });
});

test.each<[Strategy, readonly number[]]>([
  ["one_for_one", [1]],
  ["one_for_all", [0, 1, 2]],
  ["rest_for_one", [1, 2]],
])("%s restarts of three children, when the second crashes, %j", (strategy, expected) => {
  expect([0, 1, 2].filter((index) => isRecycledWith(strategy, 1, index))).toEqual([...expected]);
});

test.each<[RestartPolicy, boolean, boolean]>([
  ["permanent", true, true],
  ["transient", true, false],
  ["temporary", false, false],
])("a %s child is restarted after a crash: %p, after a normal end: %p", (policy, afterCrash, afterNormal) => {
  expect(wantsRestart(policy, { type: "crashed", error: new Error("planted") })).toBe(afterCrash);
  expect(wantsRestart(policy, { type: "normal" })).toBe(afterNormal);
});
