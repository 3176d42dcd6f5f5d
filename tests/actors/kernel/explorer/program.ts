import type { RestartBudget } from "../../../../actors/kernel/restart_budget.ts";
import type { RestartPolicy, Strategy } from "../../../../actors/kernel/supervision.ts";

/**
 * How long something takes: `null` is done when the call returns, 0 needs a promise, more needs the clock.
 */
export type Duration = number | null;

/** An actor of a program. What it does is told to it by messages. */
export interface ActorPlan {
  readonly kind: "actor";
  readonly id: string;
  readonly restart: RestartPolicy;
  readonly shutdownMs: number;
  readonly mailboxSize: number;
  readonly start: Duration;
  /** Which of its starts fail, counted from 1. */
  readonly failingStarts: readonly number[];
  readonly stop: Duration | "throws" | "hangs";
}

export interface SupervisorPlan {
  readonly kind: "supervisor";
  readonly id: string;
  readonly strategy: Strategy;
  readonly restart: RestartPolicy;
  readonly budget: RestartBudget;
  readonly children: readonly NodePlan[];
}

export interface DynamicPlan {
  readonly kind: "dynamic_supervisor";
  readonly id: string;
  readonly restart: RestartPolicy;
  readonly budget: RestartBudget;
  readonly hook: Duration | "throws" | "hangs";
}

export type NodePlan = ActorPlan | SupervisorPlan | DynamicPlan;

/** What a message makes its receiver do. `target` is the id of an actor that may or may not live. */
export type Command =
  | { readonly do: "nothing" }
  | { readonly do: "throw" }
  | { readonly do: "reject" }
  | { readonly do: "stop" }
  | { readonly do: "stop_and_throw" }
  | { readonly do: "hang" }
  /** One after the other, within one handler. */
  | { readonly do: "both"; readonly first: Command; readonly second: Command }
  | { readonly do: "work"; readonly ms: number; readonly next: Command }
  | { readonly do: "start_timer"; readonly key: string; readonly ms: number; readonly next: Command }
  | { readonly do: "cancel_timer"; readonly key: string }
  | {
      readonly do: "run_effect";
      readonly ms: Duration;
      readonly ends: "well" | "badly" | "never";
      readonly heedsAbort: boolean;
      /** True: building the answer throws. */
      readonly isBroken: boolean;
      readonly next: Command;
    }
  | { readonly do: "watch"; readonly target: string; readonly next: Command }
  | { readonly do: "unwatch"; readonly target: string }
  | { readonly do: "send"; readonly target: string; readonly command: Command }
  | { readonly do: "start_child"; readonly supervisor: string; readonly child: ActorPlan }
  | { readonly do: "stop_child"; readonly supervisor: string; readonly child: string };

/** What happens to the system from outside. */
export type Step =
  | { readonly do: "send"; readonly target: string; readonly command: Command; readonly times: number }
  | { readonly do: "ask"; readonly target: string; readonly ms: number; readonly isAnswered: boolean }
  | { readonly do: "start_child"; readonly supervisor: string; readonly child: ActorPlan }
  | { readonly do: "stop_child"; readonly supervisor: string; readonly child: string }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "stop_system" };

/** A tree and what is done to it, as plain data. */
export interface Program {
  readonly root: SupervisorPlan;
  readonly steps: readonly Step[];
}

/** Every plan in the tree below `root`, itself included, in the order of starts. */
export function plansIn(root: NodePlan): readonly NodePlan[] {
  return root.kind === "supervisor" ? [root, ...root.children.flatMap(plansIn)] : [root];
}
