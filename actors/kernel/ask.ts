import type { Clock } from "../../src/ports/clock.ts";
import type { ActorRef, EndListener } from "./actor.ts";
import { ActorBusyError, ActorEndedError, AskTimeoutError } from "./errors.ts";

/** How long to wait for an answer. */
export interface AskOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Ends the wait early, e.g. when the client is gone. */
  readonly signal?: AbortSignal;
}

/**
 * Sends a question to an actor and waits for the answer; for the edges, as an actor must not wait.
 *
 * @param question builds the message around the function to answer with; only its first call counts
 * @throws {ActorBusyError} when the mailbox is full; nothing was sent
 * @throws {ActorEndedError} when the actor ends before it answers; at once, with nothing sent, while it is stopped or
 *   between two lives
 * @throws {AskTimeoutError} when no answer comes in time; the question may still be handled later
 * @throws the reason of `signal` when it aborts
 */
export async function ask<M, R>(
  ref: ActorRef<M>,
  question: (reply: (answer: R) => void) => M,
  { clock, timeoutMs, signal }: AskOptions,
): Promise<R> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  let isOver = false;
  const onEnded: EndListener = (reason) => {
    isOver = true;
    reject(new ActorEndedError(ref.path, reason.type === "crashed" ? reason.error : undefined));
  };
  const onAbort = () => reject(signal?.reason);
  ref.observe(onEnded);
  const cancelTimeout = clock.after(timeoutMs, () => reject(new AskTimeoutError(ref.path, timeoutMs)));
  signal?.addEventListener("abort", onAbort);
  try {
    if (!isOver && ref.send(question(resolve)) === "full") reject(new ActorBusyError(ref.path));
    return await promise;
  } finally {
    ref.unobserve(onEnded);
    cancelTimeout();
    signal?.removeEventListener("abort", onAbort);
  }
}
