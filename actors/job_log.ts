import { BartenderError, faultOf } from "../src/core/errors.ts";
import { type Job, placementOf } from "../src/core/job.ts";
import type { LogFields, Logger } from "../src/ports/logger.ts";

/** What the log is told about a job. */
export class JobLog {
  readonly #logger: Logger;

  /** @param logger adds the number of the job */
  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The daily coming and going is debug; what became of the job is for everybody. */
  step(job: Job): void {
    const { progress } = job;
    if (progress.phase !== "finished") return this.#logger.debug("The job has moved on", fieldsOf(job));
    const { isOk, returnCode, reason, host } = progress.outcome;
    this.#logger.info("The job has ended", {
      ...fieldsOf(job),
      state: isOk ? "ok" : "error",
      returnCode,
      ...(reason === null ? {} : { reason }),
      ...(host === undefined ? {} : { host }),
    });
  }

  rerun(job: Job): void {
    const reason = job.progress.phase === "submitting" ? job.progress.rerun?.reason : undefined;
    this.#logger.warn("The command was interrupted and is run again", { ...fieldsOf(job), reason });
  }

  /**
   * @param effect name of what failed
   * @param isProbing its destination is known to be degraded
   */
  fault(job: Job | undefined, effect: string, error: unknown, isProbing: boolean): void {
    const { message: reason, retryable } = faultOf(error);
    const fields = { ...fieldsOf(job), effect, reason, retryable };
    // An error of ours explains itself; anything else is a defect and needs its stack.
    if (!(error instanceof BartenderError)) {
      this.#logger.error("An effect of the job failed unexpectedly", { ...fields, error });
    } else if (isProbing) {
      // That was said once for all of its jobs.
      this.#logger.debug("The destination still does not answer", fields);
    } else {
      this.#logger.warn("An effect of the job failed", fields);
    }
  }
}

function fieldsOf(job: Job | undefined): LogFields {
  const placement = job === undefined ? null : placementOf(job.progress);
  const destination = placement === null ? {} : { destination: placement.destination };
  return { phase: job?.progress.phase, attempt: job?.attempt, ...destination };
}
