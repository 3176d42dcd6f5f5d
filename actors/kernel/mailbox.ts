import { Fifo } from "./fifo.ts";

/** What a notice is about, so that it can be withdrawn: the key of a timer or the ref that is watched. */
export type NoticeSource = string | object;

interface Notice<M> {
  readonly message: M;
  readonly source: NoticeSource | undefined;
}

/**
 * What an actor has yet to handle, in two lanes, each first in, first out.
 *
 * - **Messages** from others: bounded; they survive a restart.
 * - **Notices** that the actor asked for (answers of effects, timers, ends of watched actors): unbounded, because one
 *   actor asks for a limited number of them, and gone with the incarnation that asked.
 *
 * Notices go first: a flood of messages must not keep an actor from learning what its own effects came to, and as
 * each notice follows from something the actor did, notices cannot starve the messages. A stop is not queued at all:
 * it takes effect after the message in hand.
 */
export class Mailbox<M> {
  readonly #size: number;
  #messages: Fifo<M> | undefined;
  #notices: Fifo<Notice<M>> | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  /** How many messages and notices wait. */
  get depth(): number {
    return (this.#messages?.length ?? 0) + (this.#notices?.length ?? 0);
  }

  /** Appends a message. @returns false, with nothing changed, when the lane is full. */
  offer(message: M): boolean {
    this.#messages ??= new Fifo();
    if (this.#messages.length >= this.#size) return false;
    this.#messages.push(message);
    return true;
  }

  /** Appends a notice. */
  post(message: M, source?: NoticeSource): void {
    this.#notices ??= new Fifo();
    this.#notices.push({ message, source });
  }

  /** Removes the waiting notices about `source`. */
  withdraw(source: NoticeSource): void {
    this.#notices?.removeWhere((notice) => notice.source === source);
  }

  /** Removes what is to be handled next; check `depth` first. */
  take(): M {
    const notice = this.#notices?.shift();
    if (notice !== undefined) return notice.message;
    // A lane is never read beyond its length, so this is a message even where M includes undefined.
    return this.#messages?.shift() as M;
  }

  /** Empties the lane of notices, which die with an incarnation. */
  drainNotices(): readonly M[] {
    return this.#notices?.drain().map((notice) => notice.message) ?? [];
  }

  /** Empties the lane of messages, for an actor that will not come back. */
  drainMessages(): readonly M[] {
    return this.#messages?.drain() ?? [];
  }
}
