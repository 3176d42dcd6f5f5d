import type { ExitReason } from "./actor.ts";
import { ActorCell } from "./actor_cell.ts";
import { type Child, type ChildOwner, LifeRecord } from "./child.ts";
import type { ChildSpec, GrowingChildren, SupervisorSpec } from "./child_spec.ts";
import type { Task } from "./dispatcher.ts";
import { DynamicSupervisor } from "./dynamic_supervisor.ts";
import { NameTakenError, RestartsExhaustedError } from "./errors.ts";
import type { Kernel } from "./kernel.ts";
import { NO_RESTARTS, spend } from "./restart_budget.ts";
import { type ChildState, type Goal, isRecycledWith, nextStep, type Slot, wantsRestart } from "./supervision.ts";
import type { SupervisorNode } from "./tree_node.ts";

/** A child with what its supervisor wants of it. */
class SupervisedChild implements Slot {
  readonly child: Child;
  goal: Goal = "run";
  /** Ends the wait for the back-off; undefined when it does not wait. */
  cancelHold: (() => void) | undefined;
  /** Told when it is gone; undefined while it is to stay. */
  onGone: (() => void)[] | undefined;

  constructor(child: Child) {
    this.child = child;
  }

  get state(): ChildState {
    return this.child.state;
  }

  get isHeld(): boolean {
    return this.cancelHold !== undefined;
  }
}

/**
 * Runs a list of children by one strategy. The list is fixed, unless others find the supervisor by its name.
 *
 * What happens only changes the goals; each turn then takes the steps that {@link nextStep} names until there is
 * something to wait for. So crashes that come while children start, stop or wait need no rules of their own.
 *
 * The children are made once and keep their addresses and waiting messages also when the supervisor itself restarts.
 */
export class Supervisor implements Child, ChildOwner, GrowingChildren, Task {
  readonly path: string;
  readonly spec: SupervisorSpec;
  isScheduled = false;
  readonly #owner: ChildOwner;
  readonly #kernel: Kernel;
  readonly #slots: SupervisedChild[];
  readonly #record = new LifeRecord();
  #state: ChildState = "stopped";
  #history = NO_RESTARTS;
  /** Set once the end has begun. */
  #exit: ExitReason | undefined;

  /** @throws {NameTakenError} when two children have the same id, or a name is in use. */
  constructor(spec: SupervisorSpec, parentPath: string | undefined, owner: ChildOwner, kernel: Kernel) {
    this.path = parentPath === undefined ? spec.id : `${parentPath}/${spec.id}`;
    this.spec = spec;
    this.#owner = owner;
    this.#kernel = kernel;
    const ids = new Set<string>();
    for (const { id } of spec.children) {
      if (ids.has(id)) throw new NameTakenError(`${this.path}/${id}`);
      ids.add(id);
    }
    if (spec.name !== undefined) kernel.registry.register<GrowingChildren>(spec.name, this);
    this.#slots = spec.children.map((child) => new SupervisedChild(this.#make(child)));
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

  start(): void {
    this.#state = "starting";
    this.#exit = undefined;
    this.#history = NO_RESTARTS;
    for (const slot of this.#slots) slot.goal = "run";
    this.#record.started();
    this.#kernel.emit({ type: "starting", path: this.path, restarts: this.#record.restarts });
    this.#schedule();
  }

  stop(): void {
    if (this.#state !== "stopped" && this.#exit === undefined) this.#end({ type: "shutdown" });
  }

  retire(): void {
    if (this.spec.name !== undefined) this.#kernel.registry.release<GrowingChildren>(this.spec.name, this);
    for (const { child } of this.#slots) child.retire();
  }

  addChild(spec: ChildSpec): void {
    if (this.#slots.some(({ child }) => child.id === spec.id)) throw new NameTakenError(`${this.path}/${spec.id}`);
    const slot = new SupervisedChild(this.#make(spec));
    if (this.#exit !== undefined) slot.goal = "rest";
    this.#slots.push(slot);
    this.#schedule();
  }

  removeChild(id: string): Promise<void> {
    const slot = this.#slots.find(({ child }) => child.id === id);
    if (slot === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      slot.onGone ??= [];
      slot.onGone.push(resolve);
      slot.goal = "rest";
      slot.cancelHold?.();
      slot.cancelHold = undefined;
      if (slot.state === "stopped") this.#forget(slot);
      this.#schedule();
    });
  }

  inspect(willRun: boolean): SupervisorNode {
    return {
      kind: "supervisor",
      ...this.#record.shown(this, willRun),
      strategy: this.spec.strategy,
      budget: this.spec.budget,
      children: this.#slots.map(({ child, goal }) =>
        child.inspect(this.#state === "stopped" ? willRun : goal !== "rest"),
      ),
    };
  }

  childStarted(): void {
    this.#schedule();
  }

  childEnded(child: Child, reason: ExitReason): void {
    this.#schedule();
    const index = this.#slots.findIndex((slot) => slot.child === child);
    const slot = this.#slots[index];
    if (slot?.onGone !== undefined) return this.#forget(slot);
    if (slot === undefined || this.#exit !== undefined) return;
    if (slot.goal === "run" && wantsRestart(child.restart, reason)) {
      this.#recycle(index, slot, reason);
    } else if (slot.goal !== "recycle") {
      slot.goal = "rest";
      child.retire();
    }
  }

  turn(): void {
    while (this.#state !== "stopped") {
      const isLoose = this.spec.strategy === "one_for_one" && this.#state === "running";
      const step = nextStep(this.#slots, isLoose);
      if (step.type === "wait") return;
      if (step.type === "settled") return this.#settled();
      if (step.type === "stop") {
        step.slot.child.stop();
      } else {
        step.slot.goal = "run";
        step.slot.child.start();
      }
    }
  }

  #settled(): void {
    if (this.#exit !== undefined) {
      this.#finish(this.#exit);
    } else if (this.#state === "starting") {
      this.#state = "running";
      this.#kernel.emit({ type: "started", path: this.path });
      this.#owner.childStarted(this);
    }
  }

  /** Plans the restart of a child, together with those that its strategy ties to it. */
  #recycle(crashed: number, slot: SupervisedChild, reason: ExitReason): void {
    const fault = reason.type === "crashed" ? reason.error : undefined;
    const verdict = spend(this.spec.budget, this.#history, this.#kernel.clock.monotonicMs());
    if (verdict.type === "exhausted") {
      const error = new RestartsExhaustedError(this.path, fault);
      this.#kernel.emit({ type: "gave_up", path: this.path, error });
      this.#end({ type: "crashed", error });
      return;
    }
    this.#history = verdict.history;
    const { path, logFields } = slot.child;
    this.#kernel.emit({ type: "restart_planned", path, delayMs: verdict.delayMs }, logFields);
    for (const [index, other] of this.#slots.entries()) {
      if (!isRecycledWith(this.spec.strategy, crashed, index) || other.onGone !== undefined) continue;
      if (other.child.restart !== "temporary") other.goal = "recycle";
      // One that runs does not come back; one whose first start is still to come gets it.
      else if (other.state !== "stopped") other.goal = "rest";
    }
    if (verdict.delayMs > 0) {
      slot.cancelHold = this.#kernel.clock.after(verdict.delayMs, () => {
        slot.cancelHold = undefined;
        this.#schedule();
      });
    }
  }

  #forget(slot: SupervisedChild): void {
    this.#slots.splice(this.#slots.indexOf(slot), 1);
    slot.child.retire();
    for (const tell of slot.onGone ?? []) tell();
  }

  #end(reason: ExitReason): void {
    this.#state = "stopping";
    this.#exit = reason;
    this.#kernel.emit({ type: "stopping", path: this.path, reason });
    for (const slot of this.#slots) {
      slot.goal = "rest";
      slot.cancelHold?.();
      slot.cancelHold = undefined;
    }
    this.#schedule();
  }

  #finish(reason: ExitReason): void {
    this.#state = "stopped";
    this.#record.ended(reason, this.#kernel.clock.nowMs());
    this.#kernel.emit({ type: "ended", path: this.path, reason });
    this.#owner.childEnded(this, reason);
  }

  #make(spec: ChildSpec): Child {
    switch (spec.kind) {
      case "actor":
        return new ActorCell(spec, this.path, this, this.#kernel);
      case "supervisor":
        return new Supervisor(spec, this.path, this, this.#kernel);
      case "dynamic_supervisor":
        return new DynamicSupervisor(spec, this.path, this, this.#kernel);
    }
  }

  #schedule(): void {
    this.#kernel.dispatcher.schedule(this);
  }
}
