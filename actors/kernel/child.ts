import type { LogFields } from "../../src/ports/logger.ts";
import type { ExitReason } from "./actor.ts";
import type { ChildState, RestartPolicy } from "./supervision.ts";
import type { CommonNode, NodeFault, TreeNode } from "./tree_node.ts";

/**
 * What a supervisor can do with an actor or a supervisor below it. `start` and `stop` return at once; what came of them
 * is reported to the {@link ChildOwner}. A child lives through many starts and ends, until it is retired.
 */
export interface Child {
  readonly id: string;
  readonly path: string;
  readonly restart: RestartPolicy;
  readonly state: ChildState;
  /** What each log line about it has beside the path. */
  readonly logFields: LogFields | undefined;
  /** Begins the first or another life of a stopped child, also of a retired one. */
  start(): void;
  /** Asks for an orderly end; nothing happens when it is ending or stopped. */
  stop(): void;
  /** Says that no restart will come: frees the name and lets waiting messages become dead letters. */
  retire(): void;
  /** @param willRun whether a stopped child waits to be started */
  inspect(willRun: boolean): TreeNode;
}

/** Who is told what became of a child. */
export interface ChildOwner {
  childStarted(child: Child): void;
  childEnded(child: Child, reason: ExitReason): void;
}

/** What the tree shows of the lives of one child so far. */
export class LifeRecord {
  #starts = 0;
  #lastFault: NodeFault | null = null;

  get restarts(): number {
    return Math.max(0, this.#starts - 1);
  }

  started(): void {
    this.#starts++;
  }

  ended(reason: ExitReason, atMs: number): void {
    if (reason.type !== "crashed") return;
    this.#lastFault = { message: reason.error instanceof Error ? reason.error.message : String(reason.error), atMs };
  }

  /** What all nodes of the tree show; what is stopped only for a while is not shown as stopped. */
  shown({ id, path, state, restart }: Child, willRun: boolean): CommonNode {
    const waiting = this.#starts === 0 ? "starting" : "restarting";
    const seen = state === "stopped" && willRun ? waiting : state;
    return { id, path, state: seen, restart, restarts: this.restarts, lastFault: this.#lastFault };
  }
}
