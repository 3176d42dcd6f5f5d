import type { Clock } from "../src/ports/clock.ts";
import type { ActorRef } from "./kernel/actor.ts";
import { ask } from "./kernel/ask.ts";
import { ActorBusyError, ActorEndedError, AskTimeoutError } from "./kernel/errors.ts";

/** How long an actor may take to tell how it is; nobody waits longer for a mere number or reason. */
const PATIENCE_MS = 200;

/** @returns undefined when there is no such actor or it does not answer; the rest is shown all the same */
export async function askBriefly<M, R>(
  ref: ActorRef<M> | undefined,
  question: (reply: (answer: R) => void) => M,
  clock: Clock,
): Promise<R | undefined> {
  if (ref === undefined) return undefined;
  try {
    return await ask<M, R>(ref, question, { clock, timeoutMs: PATIENCE_MS });
  } catch (error) {
    const isNoAnswer =
      error instanceof AskTimeoutError || error instanceof ActorBusyError || error instanceof ActorEndedError;
    if (isNoAnswer) return undefined;
    throw error;
  }
}
