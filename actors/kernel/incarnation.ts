import type { LogFields } from "../../src/ports/logger.ts";
import type { ActorRef, Behaviour, ExitReason } from "./actor.ts";
import { Belongings, type Owner } from "./belongings.ts";
import type { ActorSpec } from "./child_spec.ts";
import type { Kernel } from "./kernel.ts";
import type { Mailbox } from "./mailbox.ts";

/** Messages that an actor handles before others get their turn. */
const MESSAGES_PER_TURN = 32;

/** The lasting part of an actor, as its incarnation sees it. */
export interface Host<M> {
  readonly self: ActorRef<M>;
  readonly spec: ActorSpec<M>;
  readonly kernel: Kernel;
  readonly mailbox: Mailbox<M>;
  /** Asks for a turn. */
  schedule(): void;
  /** The factory is about to be called. A throw counts as a crash at the start. */
  onBirth(): void;
  onStarted(): void;
  onEnding(reason: ExitReason): void;
  onEnded(reason: ExitReason): void;
}

/**
 * One life of an actor, from the call of its factory to the end of its last effect.
 *
 * It moves in turns. The code of the actor (factory, `receive`, `onStop`) runs only there, and not while a promise of
 * that code is awaited. The end comes in order: no more messages, timers or watches, effects aborted; the handler in
 * hand finishes; `onStop`; the effects settle. What has not happened by the shutdown deadline is abandoned.
 */
export class Incarnation<M> implements Owner<M> {
  readonly #host: Host<M>;
  readonly #belongings: Belongings<M>;
  #stage: "unborn" | "alive" | "closing" | "ended" = "unborn";
  #behaviour: Behaviour<M> | undefined;
  /** True while a promise of the actor's code is awaited. */
  #isBusy = false;
  /** Set once the end has begun. */
  #exit: ExitReason | undefined;
  #cancelDeadline: (() => void) | undefined;

  constructor(host: Host<M>) {
    this.#host = host;
    this.#belongings = new Belongings(this);
  }

  get self(): ActorRef<M> {
    return this.#host.self;
  }

  get kernel(): Kernel {
    return this.#host.kernel;
  }

  get mailbox(): Mailbox<M> {
    return this.#host.mailbox;
  }

  get logFields(): LogFields | undefined {
    return this.#host.spec.logFields;
  }

  schedule(): void {
    this.#host.schedule();
  }

  /** Begins the end, once; a crash on the way down still becomes the reason. */
  end(reason: ExitReason): void {
    if (this.#stage === "ended") return;
    if (this.#exit === undefined) {
      this.#exit = reason;
      this.#host.onEnding(reason);
      this.#belongings.release();
    } else if (reason.type === "crashed") {
      this.#exit = reason;
    }
    this.schedule();
  }

  crash(error: unknown): void {
    this.kernel.emit({ type: "crashed", path: this.self.path, error }, this.logFields);
    this.end({ type: "crashed", error });
  }

  /** Goes on with what is to be done now. */
  turn(): void {
    if (this.#stage === "unborn" && this.#exit === undefined) this.#beBorn();
    if (this.#exit === undefined) this.#handleSome();
    if (this.#exit !== undefined && this.#stage !== "ended") this.#close(this.#exit);
  }

  #beBorn(): void {
    this.#stage = "alive";
    this.#perform(
      () => {
        this.#host.onBirth();
        return this.#host.spec.factory(this.#belongings);
      },
      (behaviour) => {
        this.#behaviour = behaviour;
        if (this.#exit === undefined) this.#host.onStarted();
      },
      (error) => this.crash(error),
    );
  }

  #handleSome(): void {
    const { mailbox } = this;
    for (let handled = 0; handled < MESSAGES_PER_TURN; handled++) {
      if (this.#isBusy || this.#exit !== undefined || mailbox.depth === 0) return;
      const message = mailbox.take();
      this.#perform(
        () => this.#behaviour?.receive(message),
        () => {},
        (error) => this.crash(error),
      );
    }
    this.schedule();
  }

  #close(reason: ExitReason): void {
    if (!this.#isBusy && this.#stage !== "closing") {
      this.#stage = "closing";
      this.#perform(
        () => this.#behaviour?.onStop?.(reason),
        () => {},
        (error) => this.#reportSideFailure("onStop", error),
      );
    }
    if (!this.#isBusy && this.#belongings.runningEffects === 0) this.#finish(reason);
    else this.#cancelDeadline ??= this.kernel.clock.after(this.#host.spec.shutdownMs, () => this.#abandon(reason));
  }

  #finish(reason: ExitReason): void {
    this.#stage = "ended";
    this.#cancelDeadline?.();
    this.#host.onEnded(reason);
  }

  #abandon(reason: ExitReason): void {
    const { path } = this.self;
    const effects = this.#belongings.runningEffects;
    this.kernel.emit({ type: "abandoned", path, isHandlerBusy: this.#isBusy, effects }, this.logFields);
    // A crash may have become the reason since.
    this.#finish(this.#exit ?? reason);
  }

  /** Calls code of the actor; until its promise settles, no other code of the actor is called. */
  #perform<T>(code: () => T | Promise<T>, onDone: (value: T) => void, onFailed: (error: unknown) => void): void {
    let result: T | Promise<T>;
    try {
      result = code();
    } catch (error) {
      onFailed(error);
      return;
    }
    if (!(result instanceof Promise)) {
      onDone(result);
      return;
    }
    this.#isBusy = true;
    result.then(
      (value) => this.#resume(() => onDone(value)),
      (error: unknown) => {
        if (this.#stage === "ended") this.#reportSideFailure("abandoned handler", error);
        else this.#resume(() => onFailed(error));
      },
    );
  }

  #resume(act: () => void): void {
    if (this.#stage === "ended") return;
    this.#isBusy = false;
    act();
    this.schedule();
  }

  #reportSideFailure(what: string, error: unknown): void {
    this.kernel.emit({ type: "side_failure", path: this.self.path, what, error }, this.logFields);
  }
}
