import type { Clock } from "../../src/ports/clock.ts";
import type { LogFields, Logger } from "../../src/ports/logger.ts";
import type { ActorContext, ActorRef, EndListener, ExitReason } from "./actor.ts";
import { Effects, type Settled } from "./effects.ts";
import { ActorEndedError } from "./errors.ts";
import type { Kernel } from "./kernel.ts";
import type { Mailbox, NoticeSource } from "./mailbox.ts";
import type { Name } from "./registry.ts";
import { Timers } from "./timers.ts";

/** Whose belongings they are. */
export interface Owner<M> {
  readonly self: ActorRef<M>;
  readonly kernel: Kernel;
  readonly mailbox: Mailbox<M>;
  /** What each log line has beside the path. */
  readonly logFields: LogFields | undefined;
  /** Ends the owner after the message in hand. */
  end(reason: ExitReason): void;
  /** Something of the actor's own making failed outside a handler. */
  crash(error: unknown): void;
  /** There is something to do for the owner: a notice, or one effect less to wait for. */
  schedule(): void;
}

/**
 * What one incarnation of an actor has under way besides its messages: effects, timers and watches. This is the
 * context that its factory gets; all of it ends with {@link release}.
 */
export class Belongings<M> implements ActorContext<M> {
  readonly #owner: Owner<M>;
  #isReleased = false;
  // Most actors wait most of the time, thousands of them; what they do not use is not made.
  #timers: Timers | undefined;
  #effects: Effects | undefined;
  #watches: Map<ActorRef<never>, EndListener> | undefined;
  #logger: Logger | undefined;

  constructor(owner: Owner<M>) {
    this.#owner = owner;
  }

  get self(): ActorRef<M> {
    return this.#owner.self;
  }

  get clock(): Clock {
    return this.#owner.kernel.clock;
  }

  get logger(): Logger {
    this.#logger ??= this.#owner.kernel.logger.child({ actor: this.self.path, ...this.#owner.logFields });
    return this.#logger;
  }

  /** How many effects have not settled yet. */
  get runningEffects(): number {
    return this.#effects?.running ?? 0;
  }

  run<T>(effect: (signal: AbortSignal) => Promise<T>, onDone: (value: T) => M, onFailed: (error: unknown) => M): void {
    if (this.#isReleased) return;
    this.#effects ??= new Effects();
    this.#effects.start(effect, (outcome) => {
      if (this.#isReleased) this.#onLateAnswer(outcome);
      else this.#post(() => (outcome.isOk ? onDone(outcome.value) : onFailed(outcome.error)));
    });
  }

  startTimer(key: string, delayMs: number, message: M): void {
    if (this.#isReleased) return;
    this.cancelTimer(key);
    this.#timers ??= new Timers(this.clock);
    this.#timers.start(key, delayMs, () => this.#post(() => message, key));
  }

  cancelTimer(key: string): void {
    this.#timers?.cancel(key);
    this.#owner.mailbox.withdraw(key);
  }

  watch<W>(ref: ActorRef<W>, onEnded: (reason: ExitReason) => M): void {
    if (this.#isReleased) return;
    this.#watches ??= new Map();
    const watches = this.#watches;
    const replaced = watches.get(ref);
    if (replaced !== undefined) ref.unobserve(replaced);
    const listener: EndListener = (reason) => {
      watches.delete(ref);
      this.#post(() => onEnded(reason), ref);
    };
    watches.set(ref, listener);
    ref.observe(listener);
  }

  unwatch<W>(ref: ActorRef<W>): void {
    const listener = this.#watches?.get(ref);
    if (listener !== undefined) ref.unobserve(listener);
    this.#watches?.delete(ref);
    this.#owner.mailbox.withdraw(ref);
  }

  find<T>(name: Name<T>): T | undefined {
    return this.#owner.kernel.registry.find(name);
  }

  stop(): void {
    this.#owner.end({ type: "normal" });
  }

  /** Gives everything up, for good: notices that nobody took become dead letters, effects are told to abort. */
  release(): void {
    const { kernel, mailbox, self } = this.#owner;
    this.#isReleased = true;
    this.#timers?.cancelAll();
    for (const [ref, listener] of this.#watches ?? []) ref.unobserve(listener);
    this.#watches?.clear();
    for (const notice of mailbox.drainNotices()) kernel.deadLetters.record(self.path, notice, "notice_outlived");
    this.#effects?.abortAll(new ActorEndedError(self.path));
  }

  /** Puts a notice into the mailbox; a failure to make it is a fault of the actor. */
  #post(makeMessage: () => M, source?: NoticeSource): void {
    try {
      this.#owner.mailbox.post(makeMessage(), source);
      this.#owner.schedule();
    } catch (error) {
      this.#owner.crash(error);
    }
  }

  #onLateAnswer(outcome: Settled<unknown>): void {
    const { kernel, self, logFields } = this.#owner;
    if (outcome.isOk) kernel.deadLetters.record(self.path, outcome.value, "late_answer");
    else if (!isAbort(outcome.error)) {
      const { error } = outcome;
      kernel.emit({ type: "side_failure", path: self.path, what: "aborted effect", error }, logFields);
    }
    this.#owner.schedule();
  }
}

/** An effect that fails because it was told to, perhaps in its own words, has done its duty. */
function isAbort(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof ActorEndedError || error.name === "AbortError" || isAbort(error.cause);
}
