import type { ExitReason, SendResult } from "../../../../actors/kernel/actor.ts";
import type { KernelEvent } from "../../../../actors/kernel/events.ts";
import type { TreeNode } from "../../../../actors/kernel/tree_node.ts";
import type { ActorPlan } from "./program.ts";

/** Which incarnation of which actor. A dynamic child that is started anew under an old id is another cell. */
export interface Life {
  readonly cell: number;
  readonly path: string;
  /** Counts the starts of the cell from 1. */
  readonly life: number;
}

/** The code of an actor that the kernel calls. */
export type Code = "factory" | "receive" | "onStop";

/** One thing that was seen, by the kernel's events, by the code of actors, or from outside. */
export type Seen =
  | { readonly type: "event"; readonly event: KernelEvent; readonly cell: number; readonly life: number }
  | { readonly type: "code_begin"; readonly code: Code; readonly who: Life; readonly message: string }
  | { readonly type: "code_end"; readonly code: Code; readonly who: Life; readonly isOk: boolean }
  | { readonly type: "stop_called"; readonly who: Life }
  | {
      readonly type: "sent";
      readonly cell: number;
      readonly path: string;
      readonly message: string;
      readonly result: SendResult;
    }
  | { readonly type: "asked"; readonly message: string; readonly isAnswered: boolean; readonly timeoutMs: number }
  | { readonly type: "answered"; readonly message: string; readonly outcome: string }
  | {
      readonly type: "timer_set";
      readonly who: Life;
      readonly key: string;
      readonly message: string;
      readonly ms: number;
    }
  | { readonly type: "timer_cancelled"; readonly who: Life; readonly key: string }
  | { readonly type: "effect_begin"; readonly who: Life; readonly message: string; readonly signal: AbortSignal }
  | { readonly type: "effect_settled"; readonly message: string; readonly isOk: boolean }
  /** The kernel asked for the message of an effect or watch. */
  | {
      readonly type: "mapped";
      readonly message: string;
      readonly reason: ExitReason | undefined;
      readonly isBroken: boolean;
    }
  | { readonly type: "watch_set"; readonly who: Life; readonly target: number; readonly message: string }
  | { readonly type: "unwatched"; readonly who: Life; readonly target: number }
  /** The next `starting` of this path is of a new cell. */
  | { readonly type: "child_added"; readonly path: string; readonly plan: ActorPlan }
  /** `stopChild` was called, and has resolved. */
  | { readonly type: "child_dismissed"; readonly path: string; readonly call: string }
  | { readonly type: "child_gone"; readonly call: string }
  | { readonly type: "hook_called"; readonly path: string }
  | { readonly type: "system_stop" }
  | { readonly type: "system_failed" }
  /** All promises have settled. */
  | { readonly type: "quiet"; readonly tree: TreeNode }
  /** So much time has passed that nothing is left to happen by itself. */
  | { readonly type: "calm"; readonly tree: TreeNode; readonly names: readonly string[] }
  /** The system has stopped. */
  | {
      readonly type: "over";
      readonly tree: TreeNode;
      readonly names: readonly string[];
      readonly kernelTimers: number;
      /** Whether the promise of `start()` has resolved or rejected. */
      readonly hasStartSettled: boolean;
    };

export type Entry = Seen & { readonly atMs: number };

/** All that was seen of one run, in order. */
export type Trace = readonly Entry[];

/** The guarantees that `actors/kernel/actor_system.ts` lists. */
export type Guarantee =
  | "one at a time"
  | "order"
  | "conservation"
  | "effects"
  | "timers"
  | "watches"
  | "orderly end"
  | "nothing swallowed"
  | "order of starts"
  | "order of stops"
  | "restarts"
  | "budget"
  | "dynamic children"
  | "names"
  | "ask"
  | "tree";

/** A guarantee of the kernel that a run has broken. */
export class Violation extends Error {
  readonly guarantee: Guarantee;

  constructor(guarantee: Guarantee, detail: string) {
    super(`${guarantee}: ${detail}`);
    this.guarantee = guarantee;
  }
}

/** Looks at what was seen, entry by entry. @throws {Violation} at the first entry that breaks a guarantee. */
export interface Checker {
  check(entry: Entry): void;
}

/** The nodes of a tree, parents first. */
export function everyNode(node: TreeNode): readonly TreeNode[] {
  return [node, ...node.children.flatMap(everyNode)];
}
