import type { ExitReason } from "../../../../actors/kernel/actor.ts";
import type { DeadLetter } from "../../../../actors/kernel/dead_letters.ts";
import type { KernelEvent } from "../../../../actors/kernel/events.ts";
import type { TreeNode } from "../../../../actors/kernel/tree_node.ts";
import type { Program } from "./program.ts";
import {
  childModel,
  groupOf,
  isGone,
  isOrdered,
  type ModelNode,
  modelOf,
  overdueOf,
  payRestart,
  stateOf,
} from "./supervision_model.ts";
import { type Checker, type Entry, everyNode, Violation } from "./trace.ts";

/** What a supervisor has to announce next. */
type Announcement =
  | { readonly type: "restart_planned"; readonly path: string; readonly delayMs: number }
  | { readonly type: "gave_up"; readonly path: string };

/**
 * Checks the guarantees about supervisors against a model: order of starts and stops, who is restarted and when, the
 * budget, escalation, and the tree that is shown.
 */
export class SupervisionChecker implements Checker {
  readonly #root: ModelNode;
  readonly #nodes = new Map<string, ModelNode>();
  /** Open calls of `stopChild`, with the child that there was. */
  readonly #dismissed = new Map<string, ModelNode | undefined>();
  #awaited: Announcement | undefined;
  #isStopAsked = false;
  #hasFailed = false;

  constructor(program: Program) {
    this.#root = modelOf(program.root);
    this.#note(this.#root);
  }

  check(entry: Entry): void {
    switch (entry.type) {
      case "event":
        return this.#onEvent(entry.event, entry.atMs);
      case "child_added":
        return this.#onAdded(entry);
      case "child_dismissed":
        return this.#onDismissed(entry.path, entry.call);
      case "child_gone":
        return this.#onGone(entry.call);
      case "hook_called":
        this.#node(entry.path).openHooks--;
        return;
      case "system_stop":
        this.#isStopAsked = true;
        return;
      case "system_failed":
        this.#hasFailed = true;
        return;
      case "quiet":
        return this.#onQuiet(entry.tree, entry.atMs);
      case "calm":
      case "over":
        return this.#onRest(entry);
      default:
        return;
    }
  }

  #onEvent(event: KernelEvent, atMs: number): void {
    if (event.type === "side_failure" || event.type === "abandoned" || event.type === "crashed") return;
    if (event.type === "dead_letter") return this.#onLetter(event.letter);
    const node = this.#node(event.path);
    if (event.type === "restart_planned" || event.type === "gave_up") return this.#onAnnounced(node, event);
    if (this.#awaited !== undefined) {
      throw new Violation("restarts", `${event.type} of ${event.path} instead of ${describe(this.#awaited)}`);
    }
    switch (event.type) {
      case "starting":
        return this.#onStarting(node, event.restarts, atMs);
      case "started":
        return this.#onStarted(node);
      case "stopping":
        return this.#onStopping(node, event.reason);
      case "ended":
        return this.#onEnded(node, event.reason, atMs);
    }
  }

  #onStarting(node: ModelNode, restarts: number, atMs: number): void {
    const { parent, path } = node;
    if (node.phase !== "down" || node.wants === "rest")
      throw new Violation("restarts", `${path} is started for no reason`);
    if (atMs < node.heldUntilMs) throw new Violation("budget", `${path} is started before its back-off is over`);
    if (restarts !== node.starts) throw new Violation("tree", `${path}: ${restarts} restarts, seen ${node.starts}`);
    if (parent !== undefined && parent.phase !== "starting" && parent.phase !== "running") {
      throw new Violation("order of starts", `${path} is started while its supervisor is ${parent.phase}`);
    }
    if (parent !== undefined && isOrdered(parent)) {
      for (const sibling of parent.children) {
        if (sibling.wants === "recycle" && sibling.phase !== "down") {
          throw new Violation("order of starts", `${path} is started before ${sibling.path} has stopped`);
        }
        if (sibling.heldUntilMs > atMs) throw new Violation("budget", `${path} is started before the back-off is over`);
      }
      for (const sibling of parent.children.slice(0, parent.children.indexOf(node))) {
        if (sibling.wants === "rest" || sibling.phase === "running") continue;
        throw new Violation("order of starts", `${path} is started before ${sibling.path}`);
      }
    }
    node.starts++;
    node.phase = "starting";
    node.wants = "run";
    if (node.kind === "actor") return;
    if (node.kind === "dynamic_supervisor") node.children = [];
    node.dueMs = [];
    node.hasGivenUp = false;
    for (const child of node.children) {
      child.wants = "run";
      child.heldUntilMs = 0;
    }
  }

  #onStarted(node: ModelNode): void {
    const late = node.children.find((child) => child.wants !== "rest" && child.phase !== "running");
    if (node.phase !== "starting" || late !== undefined) {
      throw new Violation("order of starts", `${node.path} has started before ${late?.path ?? "it began"}`);
    }
    node.phase = "running";
  }

  #onStopping(node: ModelNode, reason: ExitReason): void {
    const { parent, path } = node;
    if (reason.type === "shutdown") {
      const isWanted = parent === undefined ? !this.#isStopAsked : parent.phase !== "stopping" && node.wants === "run";
      if (isWanted) throw new Violation("restarts", `${path} is stopped for no reason`);
      if (parent?.strategy !== undefined) this.#expectLaterDown(node, parent);
    } else if (node.kind !== "actor" && !(reason.type === "crashed" && node.hasGivenUp)) {
      throw new Violation("budget", `${path} ends as ${reason.type} without having given up`);
    }
    node.phase = "stopping";
    for (const child of node.children) {
      child.wants = "rest";
      child.heldUntilMs = 0;
    }
  }

  #expectLaterDown(node: ModelNode, parent: ModelNode): void {
    for (const sibling of parent.children.slice(parent.children.indexOf(node) + 1)) {
      if (sibling.phase !== "down")
        throw new Violation("order of stops", `${node.path} is stopped before ${sibling.path}`);
    }
  }

  #onEnded(node: ModelNode, reason: ExitReason, atMs: number): void {
    const alive = node.children.find((child) => child.phase !== "down");
    if (alive !== undefined) throw new Violation("order of stops", `${node.path} ended before ${alive.path}`);
    node.phase = "down";
    const { parent } = node;
    if (parent === undefined || parent.phase === "stopping" || node.wants !== "run") return;
    const isRestarted = node.restart === "permanent" || (node.restart === "transient" && reason.type === "crashed");
    if (!isRestarted) {
      node.wants = "rest";
      return;
    }
    const payer = parent.kind === "dynamic_supervisor" ? node : parent;
    const delayMs = parent.budget === undefined ? undefined : payRestart(payer, parent.budget, atMs);
    if (delayMs === undefined) {
      this.#awaited = { type: "gave_up", path: payer.path };
      return;
    }
    this.#awaited = { type: "restart_planned", path: node.path, delayMs };
    node.heldUntilMs = atMs + delayMs;
    for (const member of groupOf(parent, node)) {
      if (member.restart !== "temporary") member.wants = "recycle";
      else if (member.phase !== "down") member.wants = "rest";
    }
  }

  /** What waits may be given up only together with its actor. */
  #onLetter({ path, reason, messageType }: DeadLetter): void {
    if (reason !== "actor_ended" || isGone(this.#node(path))) return;
    throw new Violation("conservation", `${messageType} was given up though ${path} can come back`);
  }

  #onAnnounced(node: ModelNode, event: KernelEvent & { type: "restart_planned" | "gave_up" }): void {
    const awaited = this.#awaited;
    this.#awaited = undefined;
    const isAsExpected =
      awaited?.type === event.type &&
      awaited.path === event.path &&
      (awaited.type === "gave_up" || (event.type === "restart_planned" && awaited.delayMs === event.delayMs));
    if (!isAsExpected) throw new Violation("budget", `${describe(event)} instead of ${describe(awaited)}`);
    if (event.type === "restart_planned") return;
    node.hasGivenUp = true;
    if (node.kind !== "actor") return;
    node.openHooks++;
    node.wants = "rest";
  }

  #onAdded({ path, plan }: Entry & { type: "child_added" }): void {
    const parent = this.#node(path.slice(0, path.lastIndexOf("/")));
    const child = childModel(path, plan.restart, parent);
    parent.children = [...parent.children.filter((other) => other.path !== path), child];
    this.#nodes.set(path, child);
  }

  #onDismissed(path: string, call: string): void {
    const node = this.#nodes.get(path);
    if (node !== undefined) node.wants = "rest";
    this.#dismissed.set(call, node);
  }

  #onGone(call: string): void {
    const node = this.#dismissed.get(call);
    if (node !== undefined && node.phase !== "down") {
      throw new Violation("dynamic children", `${node.path} lives though stopChild has resolved`);
    }
    this.#dismissed.delete(call);
  }

  /** Nothing may be left undone that could be done. */
  #onQuiet(tree: TreeNode, atMs: number): void {
    if (this.#awaited !== undefined) throw new Violation("restarts", `nothing instead of ${describe(this.#awaited)}`);
    for (const node of this.#nodes.values()) {
      if (node.openHooks !== 0)
        throw new Violation("dynamic children", `${node.path}: ${node.openHooks} calls of onExhausted are missing`);
      const overdue = node.kind === "supervisor" ? overdueOf(node, atMs) : undefined;
      if (overdue !== undefined) throw new Violation("restarts", overdue);
    }
    for (const shown of everyNode(tree)) {
      const node = this.#node(shown.path);
      const expected = stateOf(node);
      if (shown.state !== expected)
        throw new Violation("tree", `${shown.path} is shown as ${shown.state}, is ${expected}`);
      if (shown.restarts !== Math.max(0, node.starts - 1)) {
        throw new Violation("tree", `${shown.path} is shown with ${shown.restarts} restarts of ${node.starts} starts`);
      }
    }
  }

  #onRest(entry: Entry & { type: "calm" | "over" }): void {
    const nodes = everyNode(entry.tree);
    const shown = nodes.filter((node) => node.kind === "actor" && node.state !== "stopped").map((node) => node.id);
    if (shown.toSorted().join() !== entry.names.toSorted().join()) {
      throw new Violation("names", `taken: ${entry.names.join(", ")}; alive: ${shown.join(", ")}`);
    }
    for (const call of this.#dismissed.keys()) throw new Violation("dynamic children", `${call} has not resolved`);
    const passing = nodes.find((node) => node.state === "restarting" || node.state === "stopping");
    if (passing !== undefined) throw new Violation("orderly end", `${passing.path} is still ${passing.state}`);
    if (entry.type === "calm") return;
    const left = nodes.find((node) => node.state !== "stopped");
    if (left !== undefined) throw new Violation("orderly end", `${left.path} is ${left.state} after the end`);
    if (!entry.hasStartSettled) throw new Violation("orderly end", "start() has neither resolved nor rejected");
    if (entry.kernelTimers > 0) throw new Violation("orderly end", `${entry.kernelTimers} timers are left`);
    if (this.#hasFailed !== this.#root.hasGivenUp)
      throw new Violation("budget", `the system has failed: ${this.#hasFailed}`);
  }

  #node(path: string): ModelNode {
    const node = this.#nodes.get(path);
    if (node === undefined) throw new Violation("tree", `${path} is unknown`);
    return node;
  }

  #note(node: ModelNode): void {
    this.#nodes.set(node.path, node);
    for (const child of node.children) this.#note(child);
  }
}

function describe(event: Announcement | undefined): string {
  if (event === undefined) return "nothing";
  return event.type === "gave_up" ? `giving up ${event.path}` : `a restart of ${event.path} after ${event.delayMs} ms`;
}
