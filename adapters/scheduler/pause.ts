import { SchedulerUnavailableError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";

const BEING_ENDED = "The command is still being ended";

/**
 * Time between two looks.
 *
 * @param calledOff what it means when the signal comes. Default: that of looks at a command that is being ended
 * @throws {SchedulerUnavailableError} with that text
 */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal, calledOff = BEING_ENDED): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      stop();
      reject(new SchedulerUnavailableError(calledOff, signal.reason));
    };
    const stop = clock.after(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
    // The signal may have come during a look.
    if (signal.aborted) onAbort();
  });
}
