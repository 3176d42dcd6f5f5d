import { setImmediate } from "node:timers";
import type { Clock } from "../ports/clock.ts";

/** How long one piece of work may hold up everything else unless it says otherwise, in milliseconds. */
const TURN_MS = 10;

/** Lets a long computation give way to other requests again and again. */
export interface Turns {
  /** To be asked between small steps: a promise to wait for when the turn is over, undefined when it is not. */
  next(): Promise<void> | undefined;
}

/**
 * Divides the event loop between long computations: between two rounds of the loop only one of them has a turn.
 *
 * @param turnMs how long one piece of work may hold up everything else
 * @returns makes the turns of one computation
 */
export function turnTaking(clock: Clock, turnMs = TURN_MS): () => Turns {
  let line: Promise<void> = Promise.resolve();
  const wait = (): Promise<void> => {
    line = line.then(() => new Promise((resolve) => setImmediate(resolve)));
    return line;
  };
  return () => {
    let startMs = clock.monotonicMs();
    return {
      next() {
        if (clock.monotonicMs() - startMs < turnMs) return undefined;
        return wait().then(() => {
          startMs = clock.monotonicMs();
        });
      },
    };
  };
}
