import { type BackoffPolicy, backoffMs } from "../src/core/backoff.ts";
import { messageOf, StoreUnavailableError } from "../src/core/errors.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Logger } from "../src/ports/logger.ts";

/** How somebody waits who can do nothing without the store. */
export interface Patience {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backoff: BackoffPolicy;
  /** At least 0, below 1; without it, nothing of a wait is left to chance. */
  readonly random?: () => number;
}

/** For the few actors that read the whole store: no more than half a minute late when it is back. */
export const STORE_BACKOFF: BackoffPolicy = { initialMs: 1_000, factor: 2, maxMs: 30_000, jitter: 0 };

/**
 * Repeats `attempt` until the store answers: one that is away for a while is no reason to crash, as the next life
 * would need it, too.
 *
 * @param signal ends the waiting; rejects with its reason then
 * @throws what `attempt` throws, but for {@link StoreUnavailableError}
 */
export async function patiently<T>(
  { clock, logger, backoff, random = () => 0 }: Patience,
  attempt: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      logger.warn("The store is away; it is asked again later", { reason: messageOf(error), failures });
      await pause(clock, backoffMs(backoff, failures, random()), signal);
    }
  }
}

/** Resolves after `delayMs`, or at once when `signal` aborts. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(delayMs, end);
    signal?.addEventListener("abort", end);
  });
}
