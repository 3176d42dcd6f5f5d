import type { ActorRef, ExitReason } from "./actor.ts";
import { ActorCell } from "./actor_cell.ts";
import { type Child, type ChildOwner, LifeRecord } from "./child.ts";
import type { ActorSpec, DynamicChildren, DynamicSupervisorSpec } from "./child_spec.ts";
import type { Task } from "./dispatcher.ts";
import { NameTakenError, SupervisorNotRunningError } from "./errors.ts";
import type { Kernel } from "./kernel.ts";
import { NO_RESTARTS, spend } from "./restart_budget.ts";
import { type ChildState, wantsRestart } from "./supervision.ts";
import type { DynamicSupervisorNode } from "./tree_node.ts";

/** A child with its own restart history. */
class DynamicChild {
  readonly child: Child;
  readonly shutdownMs: number;
  history = NO_RESTARTS;
  /** True once it is wanted no more. */
  isLeaving = false;
  /** Ends the wait for the back-off; undefined when it does not wait. */
  cancelHold: (() => void) | undefined;
  /** Told when it is gone. */
  onGone: (() => void)[] | undefined;

  constructor(child: Child, shutdownMs: number) {
    this.child = child;
    this.shutdownMs = shutdownMs;
  }
}

/**
 * Runs actors that come and go. They are independent of each other: each has its own restart budget, and one that
 * has exhausted it is given up alone. At the end they are told to stop in reverse order of their start, and end side
 * by side. After a restart the supervisor has no children; whoever owns them starts them again.
 */
export class DynamicSupervisor implements Child, ChildOwner, DynamicChildren, Task {
  readonly path: string;
  readonly spec: DynamicSupervisorSpec;
  isScheduled = false;
  readonly #owner: ChildOwner;
  readonly #kernel: Kernel;
  readonly #children = new Map<string, DynamicChild>();
  readonly #record = new LifeRecord();
  #state: ChildState = "stopped";

  /** @throws {NameTakenError} */
  constructor(spec: DynamicSupervisorSpec, parentPath: string, owner: ChildOwner, kernel: Kernel) {
    this.path = `${parentPath}/${spec.id}`;
    this.spec = spec;
    this.#owner = owner;
    this.#kernel = kernel;
    this.#claimName();
  }

  get id(): string {
    return this.spec.id;
  }

  get restart() {
    return this.spec.restart;
  }

  get logFields() {
    return undefined;
  }

  get state(): ChildState {
    return this.#state;
  }

  get size(): number {
    return this.#children.size;
  }

  startChild<M>(spec: ActorSpec<M>): ActorRef<M> {
    if (this.#state !== "running") throw new SupervisorNotRunningError(this.path);
    if (this.#children.has(spec.id)) throw new NameTakenError(`${this.path}/${spec.id}`);
    const child = new ActorCell(spec, this.path, this, this.#kernel);
    this.#children.set(spec.id, new DynamicChild(child, spec.shutdownMs));
    child.start();
    return child;
  }

  stopChild(id: string): Promise<void> {
    const entry = this.#children.get(id);
    if (entry === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      entry.onGone ??= [];
      entry.onGone.push(resolve);
      this.#dismiss(entry);
    });
  }

  start(): void {
    this.#state = "starting";
    this.#record.started();
    this.#kernel.emit({ type: "starting", path: this.path, restarts: this.#record.restarts });
    this.#schedule();
  }

  stop(): void {
    if (this.#state === "stopped" || this.#state === "stopping") return;
    this.#state = "stopping";
    this.#kernel.emit({ type: "stopping", path: this.path, reason: { type: "shutdown" } });
    for (const entry of [...this.#children.values()].reverse()) this.#dismiss(entry);
    this.#schedule();
  }

  retire(): void {
    if (this.spec.name !== undefined) this.#kernel.registry.release<DynamicChildren>(this.spec.name, this);
  }

  turn(): void {
    if (this.#state === "starting") this.#open();
    else if (this.#state === "stopping" && this.#children.size === 0) this.#finish({ type: "shutdown" });
  }

  inspect(willRun: boolean): DynamicSupervisorNode {
    return {
      kind: "dynamic_supervisor",
      ...this.#record.shown(this, willRun),
      budget: this.spec.budget,
      children: Array.from(this.#children.values(), ({ child, isLeaving }) => child.inspect(!isLeaving)),
    };
  }

  childStarted(): void {
    // Nobody waits for the start of a dynamic child.
  }

  childEnded(child: Child, reason: ExitReason): void {
    const entry = this.#children.get(child.id);
    if (entry === undefined) return;
    if (entry.isLeaving || !wantsRestart(child.restart, reason)) this.#forget(entry);
    else this.#restart(entry, reason);
  }

  #open(): void {
    try {
      this.#claimName();
    } catch (error) {
      this.#kernel.emit({ type: "crashed", path: this.path, error });
      this.#finish({ type: "crashed", error });
      return;
    }
    this.#state = "running";
    this.#kernel.emit({ type: "started", path: this.path });
    this.#owner.childStarted(this);
  }

  #finish(reason: ExitReason): void {
    this.#state = "stopped";
    this.#record.ended(reason, this.#kernel.clock.nowMs());
    this.#kernel.emit({ type: "ended", path: this.path, reason });
    this.#owner.childEnded(this, reason);
  }

  /** Idempotent; needed again when the supervisor is started once more after it was retired. */
  #claimName(): void {
    if (this.spec.name !== undefined) this.#kernel.registry.register<DynamicChildren>(this.spec.name, this);
  }

  #restart(entry: DynamicChild, reason: ExitReason): void {
    const { path } = entry.child;
    const verdict = spend(this.spec.budget, entry.history, this.#kernel.clock.monotonicMs());
    if (verdict.type === "exhausted") {
      this.#giveUp(entry, reason.type === "crashed" ? reason.error : undefined);
      return;
    }
    const { delayMs, history } = verdict;
    entry.history = history;
    this.#kernel.emit({ type: "restart_planned", path, delayMs }, entry.child.logFields);
    if (delayMs === 0) {
      entry.child.start();
      return;
    }
    entry.cancelHold = this.#kernel.clock.after(delayMs, () => {
      entry.cancelHold = undefined;
      entry.child.start();
    });
  }

  /** Lets the owner of the child put things in order before the child is forgotten. */
  #giveUp(entry: DynamicChild, fault: unknown): void {
    const { path, id } = entry.child;
    const { emit, clock } = this.#kernel;
    emit({ type: "gave_up", path, error: fault }, entry.child.logFields);
    entry.isLeaving = true;
    entry.child.retire();
    const cancelDeadline = clock.after(entry.shutdownMs, () => {
      emit({
        type: "side_failure",
        path,
        what: "onExhausted",
        error: new Error("no end within the shutdown deadline"),
      });
      this.#forget(entry);
    });
    Promise.try(() => this.spec.onExhausted(id, fault))
      .catch((error: unknown) => emit({ type: "side_failure", path, what: "onExhausted", error }))
      .then(() => {
        cancelDeadline();
        this.#forget(entry);
      });
  }

  /** Lets a child go: at once when it waits for its back-off, else when it has ended. */
  #dismiss(entry: DynamicChild): void {
    entry.isLeaving = true;
    if (entry.cancelHold === undefined) {
      entry.child.stop();
      return;
    }
    entry.cancelHold();
    this.#forget(entry);
  }

  #forget(entry: DynamicChild): void {
    const { child, onGone } = entry;
    if (this.#children.get(child.id) !== entry) return;
    this.#children.delete(child.id);
    child.retire();
    for (const tell of onGone ?? []) tell();
    this.#schedule();
  }

  #schedule(): void {
    this.#kernel.dispatcher.schedule(this);
  }
}
