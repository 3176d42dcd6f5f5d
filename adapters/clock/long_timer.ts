import type { Clock } from "../../src/ports/clock.ts";

/** Longest delay of a timer in JavaScript, 25 days; a longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/**
 * {@link Clock.after} for delays of any length, where `after` takes none that is longer; a negative one has passed.
 *
 * @returns a function that prevents it
 */
export function afterLong(clock: Pick<Clock, "monotonicMs" | "after">, delayMs: number, run: () => void): () => void {
  if (delayMs <= LONGEST_DELAY_MS) return clock.after(Math.max(0, delayMs), run);
  const dueMs = clock.monotonicMs() + delayMs;
  let cancel = clock.after(LONGEST_DELAY_MS, () => {
    cancel = afterLong(clock, dueMs - clock.monotonicMs(), run);
  });
  return () => cancel();
}
