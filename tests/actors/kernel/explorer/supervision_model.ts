import type { RestartBudget } from "../../../../actors/kernel/restart_budget.ts";
import type { RestartPolicy, Strategy } from "../../../../actors/kernel/supervision.ts";
import type { NodeState } from "../../../../actors/kernel/tree_node.ts";
import type { NodePlan } from "./program.ts";

/** A node of the tree as it must be, by what was seen so far. */
export interface ModelNode {
  readonly path: string;
  readonly kind: NodePlan["kind"];
  readonly restart: RestartPolicy;
  readonly parent: ModelNode | undefined;
  /** Of a supervisor with fixed children. */
  readonly strategy: Strategy | undefined;
  /** Of supervisors. */
  readonly budget: RestartBudget | undefined;
  /** In the order of starts. */
  children: ModelNode[];
  phase: "down" | "starting" | "running" | "stopping";
  /** Whether its supervisor has it run, stop and run again, or stay down. */
  wants: "run" | "recycle" | "rest";
  /** No restart before this. */
  heldUntilMs: number;
  starts: number;
  /** When the restarts were due that the budget has paid: its own as a dynamic child, else those of its children. */
  dueMs: number[];
  streak: number;
  hasGivenUp: boolean;
  /** Times that `onExhausted` has yet to be called for it. */
  openHooks: number;
}

export function modelOf(plan: NodePlan, parent?: ModelNode): ModelNode {
  const node = newNode(
    parent === undefined ? plan.id : `${parent.path}/${plan.id}`,
    plan.kind,
    plan.restart,
    parent,
    plan,
  );
  if (plan.kind === "supervisor") node.children = plan.children.map((child) => modelOf(child, node));
  return node;
}

/** A dynamic child. */
export function childModel(path: string, restart: RestartPolicy, parent: ModelNode): ModelNode {
  return newNode(path, "actor", restart, parent);
}

function newNode(
  path: string,
  kind: NodePlan["kind"],
  restart: RestartPolicy,
  parent: ModelNode | undefined,
  plan?: NodePlan,
): ModelNode {
  return {
    path,
    kind,
    restart,
    parent,
    strategy: plan?.kind === "supervisor" ? plan.strategy : undefined,
    budget: plan !== undefined && plan.kind !== "actor" ? plan.budget : undefined,
    children: [],
    phase: "down",
    wants: "run",
    heldUntilMs: 0,
    starts: 0,
    dueMs: [],
    streak: 0,
    hasGivenUp: false,
    openHooks: 0,
  };
}

/** Whether children wait for each other at a start: always, except in one_for_one once all have started. */
export function isOrdered(parent: ModelNode): boolean {
  return parent.strategy !== undefined && (parent.strategy !== "one_for_one" || parent.phase === "starting");
}

/** Spends one restart. @returns the delay, or undefined when the budget is exhausted. */
export function payRestart(payer: ModelNode, budget: RestartBudget, nowMs: number): number | undefined {
  const recent = payer.dueMs.filter((dueMs) => dueMs > nowMs - budget.withinMs);
  if (recent.length >= budget.maxRestarts) return undefined;
  payer.streak = recent.length === 0 ? 0 : payer.streak + 1;
  const { initialMs, factor, maxMs } = budget.backOff;
  let delayMs = initialMs;
  for (let n = 0; n < payer.streak; n++) delayMs = Math.min(maxMs, delayMs * factor);
  delayMs = Math.min(maxMs, delayMs);
  payer.dueMs = [...recent, nowMs + delayMs];
  return delayMs;
}

/** The children of `parent` that go down and up again when `crashed` does. */
export function groupOf(parent: ModelNode, crashed: ModelNode): readonly ModelNode[] {
  if (parent.strategy === "one_for_all") return parent.children;
  if (parent.strategy === "rest_for_one") return parent.children.slice(parent.children.indexOf(crashed));
  return [crashed];
}

/** Says what a supervisor with fixed children has not done though nothing was left to wait for. */
export function overdueOf(node: ModelNode, atMs: number): string | undefined {
  if (node.phase === "down") return undefined;
  const toStop = node.children.findLast((child) => child.wants !== "run" && child.phase !== "down");
  if (toStop !== undefined) return toStop.phase === "stopping" ? undefined : `${toStop.path} should be stopped by now`;
  if (node.phase === "stopping") return `${node.path} should have ended by now`;
  const missing = node.children.filter((child) => child.wants !== "rest" && child.phase !== "running");
  if (missing.length === 0) return node.phase === "starting" ? `${node.path} should have started by now` : undefined;
  // Timers of one moment fire one after the other, with quiet between them.
  const isFree = (child: ModelNode) => child.heldUntilMs < atMs || child.heldUntilMs === 0;
  const due = isOrdered(node) ? missing.slice(0, missing.every(isFree) ? 1 : 0) : missing.filter(isFree);
  const late = due.find((child) => child.phase === "down");
  return late === undefined ? undefined : `${late.path} should be started by now`;
}

/** Whether a node has ended and will not come back, as far as that is decided. */
export function isGone(node: ModelNode): boolean {
  const { parent } = node;
  if (parent === undefined) return node.phase === "down";
  if (parent.kind === "dynamic_supervisor") return node.wants === "rest";
  if (parent.phase === "stopping") return false;
  return parent.phase === "down" ? isGone(parent) : node.wants === "rest" && node.phase === "down";
}

/** The state that the tree has to show. */
export function stateOf(node: ModelNode): NodeState {
  if (node.phase !== "down") return node.phase;
  if (!willRun(node)) return "stopped";
  return node.starts === 0 ? "starting" : "restarting";
}

/** Whether a node that is down comes up by itself; below a supervisor that is down, when that one does. */
function willRun({ parent, wants }: ModelNode): boolean {
  if (parent === undefined) return false;
  return parent.phase === "down" ? willRun(parent) : wants !== "rest";
}
