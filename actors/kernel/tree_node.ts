import type { RestartBudget } from "./restart_budget.ts";
import type { RestartPolicy, Strategy } from "./supervision.ts";

/** Where an actor or supervisor is in its life; `restarting` waits for its back-off or for siblings to stop. */
export type NodeState = "starting" | "running" | "restarting" | "stopping" | "stopped";

/** The last crash, as shown to operators. */
export interface NodeFault {
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** What is known of every child. */
export interface CommonNode {
  readonly id: string;
  readonly path: string;
  readonly state: NodeState;
  readonly restart: RestartPolicy;
  /** How often it was started again. */
  readonly restarts: number;
  readonly lastFault: NodeFault | null;
}

export interface ActorNode extends CommonNode {
  readonly kind: "actor";
  readonly mailboxDepth: number;
  readonly mailboxSize: number;
  readonly children: readonly never[];
}

export interface SupervisorNode extends CommonNode {
  readonly kind: "supervisor";
  readonly strategy: Strategy;
  readonly budget: RestartBudget;
  readonly children: readonly TreeNode[];
}

export interface DynamicSupervisorNode extends CommonNode {
  readonly kind: "dynamic_supervisor";
  /** Of each child. */
  readonly budget: RestartBudget;
  readonly children: readonly TreeNode[];
}

/** The supervision tree as plain data, for the admin console. */
export type TreeNode = ActorNode | SupervisorNode | DynamicSupervisorNode;
