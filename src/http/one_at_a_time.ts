import type { Clock } from "../ports/clock.ts";

/** Lets work on the same thing happen one after the other, in the order of arrival. */
export interface OneAtATime<K> {
  /**
   * Waits until nothing else is at work on `key`.
   *
   * @returns gives the turn to the next one, to be called once; undefined when the turn did not come within
   *   `maxWaitMs`, `signal` came first, or too many wait already
   */
  enter(key: K, maxWaitMs: number, signal: AbortSignal): Promise<(() => void) | undefined>;
}

/** Who comes later is turned away: what waits takes up memory. */
const MAX_WAITING = 10;

export function oneAtATime<K>(clock: Clock): OneAtATime<K> {
  /** Who waits, by what is being worked on. */
  const lines = new Map<K, (() => void)[]>();

  const leave = (key: K): void => {
    const next = lines.get(key)?.shift();
    if (next === undefined) lines.delete(key);
    else next();
  };

  return {
    async enter(key, maxWaitMs, signal) {
      const line = lines.get(key);
      if (line === undefined) lines.set(key, []);
      else if (line.length >= MAX_WAITING || !(await turnCame(line, maxWaitMs, signal))) return undefined;
      return () => leave(key);
    },
  };

  function turnCame(line: (() => void)[], maxWaitMs: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (hasTurn: boolean): void => {
        stop();
        signal.removeEventListener("abort", giveUp);
        resolve(hasTurn);
      };
      const take = (): void => settle(true);
      const giveUp = (): void => {
        line.splice(line.indexOf(take), 1);
        settle(false);
      };
      const stop = clock.after(maxWaitMs, giveUp);
      signal.addEventListener("abort", giveUp);
      line.push(take);
      if (signal.aborted) giveUp();
    });
  }
}
