import type { Clock } from "../../src/ports/clock.ts";
import { Fifo } from "./fifo.ts";

/** Why a message was not handled. */
export type DeadLetterReason =
  /** The actor had ended for good when it was sent. */
  | "actor_dead"
  /** The actor ended for good while the message waited. */
  | "actor_ended"
  /** The mailbox had no room; the sender was told. */
  | "mailbox_full"
  /** A timer, watch or effect had answered an incarnation that ended before it could look. */
  | "notice_outlived"
  /** An effect answered after its incarnation had ended. */
  | "late_answer";

/** A message that nobody handled. Its content is not kept: it may be large or secret. */
export interface DeadLetter {
  /** Of the actor it was meant for. */
  readonly path: string;
  readonly messageType: string;
  readonly reason: DeadLetterReason;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** Counts what was not handled and keeps the last of it, for people who look for lost messages. */
export class DeadLetters {
  readonly #clock: Clock;
  readonly #keep: number;
  readonly #observe: (letter: DeadLetter) => void;
  readonly #recent = new Fifo<DeadLetter>();
  #count = 0;

  constructor(clock: Clock, keep: number, observe: (letter: DeadLetter) => void) {
    this.#clock = clock;
    this.#keep = keep;
    this.#observe = observe;
  }

  /** How many there were since the start. */
  get count(): number {
    return this.#count;
  }

  /** The last ones, oldest first. */
  recent(): readonly DeadLetter[] {
    return this.#recent.toArray();
  }

  /** Notes that `message`, meant for the actor at `path`, was not handled. */
  record(path: string, message: unknown, reason: DeadLetterReason): void {
    const letter = { path, messageType: messageTypeOf(message), reason, atMs: this.#clock.nowMs() };
    this.#count++;
    this.#recent.push(letter);
    if (this.#recent.length > this.#keep) this.#recent.shift();
    this.#observe(letter);
  }
}

/** The `type` of a message, or what can be said of one that has none. */
function messageTypeOf(message: unknown): string {
  if (typeof message === "object" && message !== null && "type" in message) return String(message.type);
  return typeof message;
}
