const LOOK_AGAIN_MS = 5;

/**
 * Waits for something that other processes bring about. Looks at once and then every few milliseconds.
 *
 * @param what completes the sentence "Waited in vain for …"
 * @param look its first answer other than undefined and false is returned
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 20_000,
): Promise<T> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) {
      return seen;
    }
    if (performance.now() > untilMs) {
      throw new Error(`Waited in vain for ${what}, ${withinMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
