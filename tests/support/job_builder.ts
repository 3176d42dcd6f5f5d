import { jobId, schedulerJobId } from "../../src/core/ids.ts";
import type { Job, Outcome, Phase, Placement, Progress } from "../../src/core/job.ts";
import { UNKNOWN_ORIGIN } from "../../src/core/job_origin.ts";

export const T0 = Date.UTC(2022, 0, 1);
export const LOCAL: Placement = { destination: "here", isStaged: false };
export const REMOTE: Placement = { destination: "cluster", isStaged: true };
export const SUCCEEDED: Outcome = { isOk: true, returnCode: 0, reason: null };
export const FAILED: Outcome = { isOk: false, returnCode: 7, reason: null };
export const KILLED: Outcome = { isOk: false, returnCode: -9, reason: "Ended by signal 9" };

const S1 = schedulerJobId("s1");

/** One valid progress for each phase, at `placement`. */
export function progressIn(phase: Phase, placement: Placement = LOCAL): Progress {
  switch (phase) {
    case "accepted":
      return { phase, upload: "u1", cancellation: null };
    case "staging_in":
      return { phase, ...placement, cancellation: null };
    case "submitting":
      return { phase, ...placement, cancellation: null, rerun: null };
    case "waiting":
      return { phase, ...placement };
    case "queued":
      return { phase, ...placement, schedulerJobId: S1, rerun: null, note: null };
    case "running":
      return { phase, ...placement, schedulerJobId: S1 };
    case "cancelling":
      return {
        phase,
        ...placement,
        schedulerJobId: S1,
        wasRunning: true,
        cancellation: { reason: "Cancelled by alice", isDelete: false },
      };
    case "staging_out":
      return { phase, ...placement, schedulerJobId: S1, outcome: SUCCEEDED, cancellation: null };
    case "closing":
      return { phase, placement, schedulerJobId: S1, outcome: SUCCEEDED, cancellation: null };
    case "finished":
      return { phase, placement, schedulerJobId: S1, outcome: SUCCEEDED };
    case "deleting":
      return { phase, placement, schedulerJobId: S1, lastState: "running" };
  }
}

/** A job of alice, with `changes` on top. */
export function aJob(changes: Partial<Job> = {}): Job {
  return {
    id: jobId(1),
    name: "input.zip",
    application: "wc",
    submitter: "alice",
    parameters: {},
    origin: UNKNOWN_ORIGIN,
    createdOnMs: T0,
    progress: progressIn("accepted"),
    attempt: 0,
    version: 1,
    updatedOnMs: T0,
    submittedOnMs: null,
    startedOnMs: null,
    finishedOnMs: null,
    ...changes,
  };
}
