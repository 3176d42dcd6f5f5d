import type { ExitReason } from "./actor.ts";

/**
 * Who is started again when a child crashes: the child alone, all children, or the child and those after it.
 *
 * Siblings that are tied to it are stopped first. Among them, a temporary child does not come back, and a transient one
 * that had finished starts again, as at the first start.
 */
export type Strategy = "one_for_one" | "one_for_all" | "rest_for_one";

/** Whether a child that ended is started again: always, only after a crash, or never. */
export type RestartPolicy = "permanent" | "transient" | "temporary";

/** Where a child is in its life. */
export type ChildState = "stopped" | "starting" | "running" | "stopping";

/** What a supervisor wants of a child: to run, to be stopped and then run again, or to stay stopped. */
export type Goal = "run" | "recycle" | "rest";

/** A child as the rules see it. */
export interface Slot {
  readonly state: ChildState;
  readonly goal: Goal;
  /** True while it waits for the back-off before a restart. */
  readonly isHeld: boolean;
}

/** What a supervisor does next. */
export type Step<S extends Slot> =
  | { readonly type: "start"; readonly slot: S }
  | { readonly type: "stop"; readonly slot: S }
  /** Nothing until a child or the clock reports. */
  | { readonly type: "wait" }
  /** Every child is as wanted. */
  | { readonly type: "settled" };

/** Whether `policy` asks for a restart after an end that the supervisor did not ask for. */
export function wantsRestart(policy: RestartPolicy, reason: ExitReason): boolean {
  return policy === "permanent" || (policy === "transient" && reason.type === "crashed");
}

/** Whether child `index` is started again together with the child `crashed`. */
export function isRecycledWith(strategy: Strategy, crashed: number, index: number): boolean {
  switch (strategy) {
    case "one_for_one":
      return index === crashed;
    case "one_for_all":
      return true;
    case "rest_for_one":
      return index >= crashed;
  }
}

/**
 * Decides the next step that brings the children from their states to their goals. Pure; ask again after each step.
 *
 * 1. Stops come first, from last to first, one at a time: a child may rely on those before it until its end.
 * 2. Then starts, from first to last, each after the one before it runs, and none while a back-off holds one back.
 *
 * With `isLoose` (one_for_one after its first start) children do not wait for each other's starts and back-offs.
 */
export function nextStep<S extends Slot>(slots: readonly S[], isLoose: boolean): Step<S> {
  const toStop = slots.findLast((slot) => slot.goal !== "run" && slot.state !== "stopped");
  if (toStop !== undefined) return toStop.state === "stopping" ? { type: "wait" } : { type: "stop", slot: toStop };

  const missing = slots.filter((slot) => slot.goal !== "rest" && slot.state !== "running");
  if (missing.length === 0) return { type: "settled" };
  const canStart = (slot: S) => slot.state === "stopped" && !slot.isHeld;
  const next = isLoose ? missing.find(canStart) : missing.every((slot) => !slot.isHeld) ? missing[0] : undefined;
  return next !== undefined && canStart(next) ? { type: "start", slot: next } : { type: "wait" };
}
