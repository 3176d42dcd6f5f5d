import type { ActorRef, EndListener, ExitReason, SendResult } from "./actor.ts";
import { type Child, type ChildOwner, LifeRecord } from "./child.ts";
import type { ActorSpec } from "./child_spec.ts";
import type { DeadLetterReason } from "./dead_letters.ts";
import type { Task } from "./dispatcher.ts";
import { type Host, Incarnation } from "./incarnation.ts";
import type { Kernel } from "./kernel.ts";
import { Mailbox } from "./mailbox.ts";
import type { ChildState } from "./supervision.ts";
import type { ActorNode } from "./tree_node.ts";

/**
 * The lasting part of an actor: its address, mailbox and record, over all its incarnations.
 *
 * The mailbox outlives a restart with its waiting messages in order; the message in hand at a crash is gone, as it
 * may be the one that caused it.
 */
export class ActorCell<M> implements ActorRef<M>, Child, Host<M>, Task {
  readonly path: string;
  readonly spec: ActorSpec<M>;
  readonly kernel: Kernel;
  readonly mailbox: Mailbox<M>;
  isScheduled = false;
  readonly #owner: ChildOwner;
  readonly #record = new LifeRecord();
  #state: ChildState = "stopped";
  #life: Incarnation<M> | undefined;
  #lastExit: ExitReason | undefined;
  #isRetired = false;
  #listeners: Set<EndListener> | undefined;

  /** @throws {NameTakenError} */
  constructor(spec: ActorSpec<M>, parentPath: string, owner: ChildOwner, kernel: Kernel) {
    this.path = `${parentPath}/${spec.id}`;
    this.spec = spec;
    this.kernel = kernel;
    this.mailbox = new Mailbox(spec.mailboxSize);
    this.#owner = owner;
    this.#claimName();
  }

  get self(): ActorRef<M> {
    return this;
  }

  get id(): string {
    return this.spec.id;
  }

  get restart() {
    return this.spec.restart;
  }

  get logFields() {
    return this.spec.logFields;
  }

  get state(): ChildState {
    return this.#state;
  }

  // What everybody may do: the address.

  send(message: M): SendResult {
    if (this.#isRetired) return this.#refuse(message, "dead", "actor_dead");
    if (!this.mailbox.offer(message)) return this.#refuse(message, "full", "mailbox_full");
    this.schedule();
    return "delivered";
  }

  observe(listener: EndListener): void {
    if (this.#life === undefined && this.#lastExit !== undefined) {
      listener(this.#lastExit);
      return;
    }
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
  }

  unobserve(listener: EndListener): void {
    this.#listeners?.delete(listener);
  }

  // What its supervisor does with it.

  start(): void {
    this.#isRetired = false;
    this.#state = "starting";
    this.#life = new Incarnation(this);
    this.#record.started();
    this.kernel.emit({ type: "starting", path: this.path, restarts: this.#record.restarts }, this.logFields);
    this.schedule();
  }

  stop(): void {
    this.#life?.end({ type: "shutdown" });
  }

  retire(): void {
    this.#isRetired = true;
    if (this.spec.name !== undefined) this.kernel.registry.release(this.spec.name, this);
    for (const message of this.mailbox.drainMessages()) {
      this.kernel.deadLetters.record(this.path, message, "actor_ended");
    }
    // An actor that is given up before its first start ends here.
    this.#lastExit ??= { type: "shutdown" };
    this.#tellListeners(this.#lastExit);
  }

  inspect(willRun: boolean): ActorNode {
    return {
      kind: "actor",
      ...this.#record.shown(this, willRun),
      mailboxDepth: this.mailbox.depth,
      mailboxSize: this.spec.mailboxSize,
      children: [],
    };
  }

  // What its incarnation reports.

  schedule(): void {
    this.kernel.dispatcher.schedule(this);
  }

  turn(): void {
    this.#life?.turn();
  }

  onBirth(): void {
    this.#claimName();
  }

  onStarted(): void {
    this.#state = "running";
    this.kernel.emit({ type: "started", path: this.path }, this.logFields);
    this.#owner.childStarted(this);
  }

  onEnding(reason: ExitReason): void {
    this.#state = "stopping";
    this.kernel.emit({ type: "stopping", path: this.path, reason }, this.logFields);
  }

  onEnded(reason: ExitReason): void {
    this.#state = "stopped";
    this.#life = undefined;
    this.#lastExit = reason;
    this.#record.ended(reason, this.kernel.clock.nowMs());
    this.kernel.emit({ type: "ended", path: this.path, reason }, this.logFields);
    this.#tellListeners(reason);
    this.#owner.childEnded(this, reason);
  }

  /** Idempotent; needed again when a retired child is started once more. */
  #claimName(): void {
    if (this.spec.name !== undefined) this.kernel.registry.register<ActorRef<M>>(this.spec.name, this);
  }

  #refuse(message: M, result: SendResult, reason: DeadLetterReason): SendResult {
    this.kernel.deadLetters.record(this.path, message, reason);
    return result;
  }

  #tellListeners(reason: ExitReason): void {
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const listener of listeners ?? []) listener(reason);
  }
}
