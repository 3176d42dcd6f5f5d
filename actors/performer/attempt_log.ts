import type { AttemptEnd, OwnAttempt } from "../../src/ports/attempt_queue.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { LogFields, Logger } from "../../src/ports/logger.ts";
import type { Ending } from "./attempt_ending.ts";

/** What the log of a performer is told about an attempt, each once; never its command, which has form values. */
export interface AttemptLog {
  /** The command works in `directory`. */
  prepared(directory: string): void;
  started(): void;
  /**
   * @param end undefined when it is no longer ours
   * @param ending why we ended it
   */
  ended(end: AttemptEnd | undefined, ending: Ending | undefined): void;
}

/** Levels and names are those of the daemon, see `JobLog`. */
export function attemptLog(
  { logger, clock }: { readonly logger: Logger; readonly clock: Clock },
  { job }: OwnAttempt,
  takenAtMs: number | undefined,
): AttemptLog {
  let { directory } = job;
  let hasStarted = false;
  let hasEnded = false;
  const fields = (): LogFields => ({ application: job.application, directory });
  return {
    prepared(where) {
      directory = where;
    },
    started() {
      if (!hasStarted) logger.debug("The command has been started", fields());
      hasStarted = true;
    },
    ended(end, ending) {
      if (end === undefined)
        return logger.warn("The job is no longer this performer's; nobody is told how it ended", fields());
      if (hasEnded) return;
      hasEnded = true;
      const { isOk, returnCode, reason } = end.outcome;
      logger.info("The job has ended", {
        ...fields(),
        state: isOk ? "ok" : "error",
        returnCode,
        ...(reason === null ? {} : { reason }),
        ...(ending?.type === "cancelled" ? { wasCancelled: true } : {}),
        ...(end.isInterrupted === true ? { isInterrupted: true } : {}),
        ...(takenAtMs === undefined ? {} : { durationMs: Math.round(clock.monotonicMs() - takenAtMs) }),
      });
    },
  };
}
