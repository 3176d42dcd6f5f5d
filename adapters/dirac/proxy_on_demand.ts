import type { Clock } from "../../src/ports/clock.ts";
import type { Credential } from "../../src/ports/credential.ts";
import type { Logger } from "../../src/ports/logger.ts";

/** For how long a proxy that was found good is not looked at again, in milliseconds. */
const TRUSTED_MS = 600_000;

/** The same for one that ends soon and could not be renewed. */
const TROUBLED_MS = 60_000;

/**
 * For who needs a proxy now and then and has no keeper of it: makes sure that there is one, just before it is used. Those
 * who ask at the same time share the answer.
 *
 * @returns rejects with what {@link Credential.make} says when there is none
 */
export function proxyOnDemand(
  credential: Credential,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): (signal: AbortSignal) => Promise<void> {
  let goodUntilMs = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;
  const trust = (ms: number): void => {
    goodUntilMs = clock.monotonicMs() + ms;
  };
  const ask = async (signal: AbortSignal): Promise<void> => {
    const { leftS } = await credential.check(signal);
    const spareMs = (leftS - credential.minLifeS) * 1000;
    if (spareMs > 0) return trust(Math.min(spareMs, TRUSTED_MS));
    try {
      await credential.make(signal);
      trust(TROUBLED_MS);
    } catch (error) {
      if (leftS === 0) throw error;
      logger.warn(`The ${credential.name} will end and could not be renewed`, { leftS, error });
      trust(Math.min(leftS * 1000, TROUBLED_MS));
    }
  };
  return async (signal) => {
    if (clock.monotonicMs() < goodUntilMs) return;
    asking ??= ask(signal).finally(() => {
      asking = undefined;
    });
    await asking;
  };
}
