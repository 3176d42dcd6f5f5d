import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { ServiceManager } from "../ports/service_manager.ts";

/** How often the daemon is looked at within the time after which it would be ended. */
const LOOKS = 3;

/**
 * Tells the service manager that the daemon is alive, as often as that wants to hear it and as long as it is so.
 *
 * @param look who does not answer within the time given, empty when all do
 * @returns ends the telling
 */
export function feedWatchdog(options: {
  readonly manager: ServiceManager;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly look: (timeoutMs: number) => Promise<readonly string[]>;
}): () => void {
  const { manager, clock, logger, look } = options;
  const { watchdogMs } = manager;
  if (watchdogMs === undefined) return () => undefined;
  const everyMs = watchdogMs / LOOKS;
  let cancel: () => void = () => undefined;
  let isOver = false;
  const round = async (): Promise<void> => {
    const startedMs = clock.monotonicMs();
    const silent = await look(everyMs);
    if (isOver) return;
    if (silent.length === 0) manager.alive();
    else logger.error("Parts of the daemon do not answer, so the watchdog is not told that it lives", { silent });
    cancel = clock.after(Math.max(0, startedMs + everyMs - clock.monotonicMs()), begin);
  };
  const begin = (): void =>
    void round().catch((error: unknown) => {
      logger.error("Could not see whether the daemon is alive", { error });
      if (!isOver) cancel = clock.after(everyMs, begin);
    });
  begin();
  return () => {
    isOver = true;
    cancel();
  };
}
