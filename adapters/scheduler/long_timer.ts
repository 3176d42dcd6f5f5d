import type { Clock } from "../../src/ports/clock.ts";

/** Longest delay of a timer in JavaScript, 25 days; a longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** {@link Clock.after} for delays of any length; a negative one has passed. @returns a function that prevents it */
export function afterLong(clock: Clock, delayMs: number, run: () => void): () => void {
  const dueMs = clock.monotonicMs() + delayMs;
  const arm = (): (() => void) => {
    const leftMs = dueMs - clock.monotonicMs();
    return clock.after(Math.min(Math.max(0, leftMs), LONGEST_DELAY_MS), () => {
      if (leftMs > LONGEST_DELAY_MS) {
        cancel = arm();
      } else {
        run();
      }
    });
  };
  let cancel = arm();
  return () => cancel();
}
