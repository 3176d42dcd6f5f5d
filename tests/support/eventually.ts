const LOOK_AGAIN_MS = 5;
const LONGEST_PAUSE_MS = 100;

/** Of the time that was waited already: many who wait must not keep each other from what they wait for. */
const PAUSE_PART = 0.05;

/** How long to wait for the next look after so long in vain. */
export function pauseMs(waitedMs: number): number {
  return Math.min(LONGEST_PAUSE_MS, LOOK_AGAIN_MS + PAUSE_PART * waitedMs);
}

/**
 * Waits for something that other processes bring about. Looks at once, soon again, and then less and less often.
 *
 * @param what completes the sentence "Waited in vain for …"
 * @param look its first answer other than undefined and false is returned
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 90_000,
): Promise<T> {
  const fromMs = performance.now();
  const untilMs = fromMs + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) {
      return seen;
    }
    if (performance.now() > untilMs) {
      throw new Error(`Waited in vain for ${what}, ${withinMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs(performance.now() - fromMs)));
  }
}
