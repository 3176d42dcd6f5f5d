import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { Name } from "./registry.ts";

/**
 * What became of a message that was handed to an actor.
 *
 * - `delivered`: it lies in the mailbox and is handled once, or becomes a dead letter if the actor ends for good first.
 * - `full`: the mailbox has no room; the sender still has the message and may come back later.
 * - `dead`: nobody will ever handle it.
 */
export type SendResult = "delivered" | "full" | "dead";

/** Why an incarnation of an actor, or a supervisor, ended. */
export type ExitReason =
  /** It stopped itself. */
  | { readonly type: "normal" }
  /** Its supervisor told it to stop. */
  | { readonly type: "shutdown" }
  /** Its code threw or rejected; of a supervisor: too many restarts. */
  | { readonly type: "crashed"; readonly error: unknown };

/** Told once about an end. Runs inside the kernel, so it must be quick and must not throw. */
export type EndListener = (reason: ExitReason) => void;

/**
 * Address of an actor. It stays valid over restarts: what is sent while the actor restarts waits in the mailbox.
 */
export interface ActorRef<M> {
  /** Place in the tree, e.g. `bartender/jobs/job:12`. */
  readonly path: string;
  /** Puts `message` into the mailbox; never throws and never waits. */
  readonly send: (message: M) => SendResult;
  /**
   * Calls `listener` once when the incarnation that lives now ends; at once when none lives, also between two lives.
   * The ground of {@link ActorContext.watch} and `ask`, which are what actors and edges use.
   */
  readonly observe: (listener: EndListener) => void;
  /** Takes an observation back. */
  readonly unobserve: (listener: EndListener) => void;
}

/**
 * What an actor may do, given to its factory. Each incarnation has its own: when it ends, in whatever way, its timers
 * and watches are gone, its effects are aborted, and from then on `run`, `startTimer` and `watch` do nothing.
 *
 * Keep it in one piece: its methods are not bound, so they cannot be taken out of it.
 */
export interface ActorContext<M> {
  readonly self: ActorRef<M>;
  readonly clock: Clock;
  /** Adds the actor's path to each line. */
  readonly logger: Logger;

  /**
   * Starts slow work beside the mailbox; its answer comes back as a message that is never dropped for lack of room.
   *
   * `effect` is called at once. `onDone` and `onFailed` only build the message; if they throw, the actor crashes.
   * The signal aborts when the actor ends, and the next incarnation does not start before the effect has settled
   * (or the shutdown deadline is over). An answer that comes after the end becomes a dead letter.
   */
  run<T>(effect: (signal: AbortSignal) => Promise<T>, onDone: (value: T) => M, onFailed: (error: unknown) => M): void;

  /** Sends `message` to the actor itself after `delayMs`; replaces the timer with the same `key`. */
  startTimer(key: string, delayMs: number, message: M): void;
  /** After this the timer's message does not arrive, even if its time had come already. */
  cancelTimer(key: string): void;

  /**
   * Sends exactly one message when the incarnation of `ref` that lives now ends in whatever way; at once when none
   * lives, also between two lives. A second call before that end replaces the first.
   */
  watch<W>(ref: ActorRef<W>, onEnded: (reason: ExitReason) => M): void;
  /** After this no message about an end of `ref` arrives, even if it ended already. */
  unwatch<W>(ref: ActorRef<W>): void;

  /** Looks up what is registered under `name`: a ref, or the handle of a dynamic supervisor. */
  find<T>(name: Name<T>): T | undefined;

  /** Ends this actor normally after the current message. */
  stop(): void;
}

/** What an actor does. Its methods are never called at the same time. */
export interface Behaviour<M> {
  /** Handles one message. A throw or rejection is a crash; the message is not handed out again. */
  receive(message: M): void | Promise<void>;
  /**
   * Releases what the factory took, on every end, also after a crash; the effects are aborted already. A failure is
   * logged. Not called when a handler hangs beyond the shutdown deadline.
   */
  onStop?(reason: ExitReason): void | Promise<void>;
}

/**
 * Makes the behaviour of one incarnation, so it is called for the start and again for every restart. A throw or
 * rejection counts as a crash.
 */
export type ActorFactory<M> = (context: ActorContext<M>) => Behaviour<M> | Promise<Behaviour<M>>;
