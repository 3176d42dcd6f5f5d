import type { Job, Outcome } from "./job.ts";
import { advance, place } from "./job_step.ts";

/** Why a job ends that the Python Bartender has left unfinished and that nobody can be asked for. */
export const UNFINISHED_IN_PYTHON = "The job was not finished when Bartender was upgraded";

/** What the configuration says about the destination of a job. */
export interface PythonDestination {
  /** True when it has its own file system. */
  readonly isStaged: boolean;
  /** True when its scheduler knows jobs by the ids that the Python Bartender wrote down, and outlives it. */
  readonly isFollowable: boolean;
}

/**
 * What becomes of a job that was taken over unfinished from the Python Bartender: it is followed where its scheduler
 * still has it, and ends with a reason where the scheduler ended together with that program. Pure.
 *
 * @param destination undefined when the configuration does not have the job's destination; it may come back
 * @returns `job` itself when there is nothing to change, which is also so for every job of our own
 */
export function settlePythonJob(job: Job, destination: PythonDestination | undefined, nowMs: number): Job {
  const { progress } = job;
  // Jobs of our own have the number of an attempt once a scheduler has them.
  if (job.attempt !== 0 || destination === undefined) return job;
  switch (progress.phase) {
    case "queued":
    case "running": {
      if (destination.isFollowable) return placed(job, destination);
      const outcome: Outcome = { isOk: false, returnCode: null, reason: UNFINISHED_IN_PYTHON };
      const { schedulerJobId } = progress;
      const closing = {
        phase: "closing",
        placement: place(progress),
        schedulerJobId,
        outcome,
        cancellation: null,
      } as const;
      return advance(job, closing, nowMs).job;
    }
    case "staging_out":
      return placed(job, destination);
    default:
      return job;
  }
}

function placed(job: Job, { isStaged }: PythonDestination): Job {
  const { progress } = job;
  if (!("isStaged" in progress) || progress.isStaged === isStaged) return job;
  return { ...job, progress: { ...progress, isStaged } };
}
