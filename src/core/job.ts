import { assertNever } from "./assert_never.ts";
import type { JobId, SchedulerJobId } from "./ids.ts";
import type { JobOrigin } from "./job_origin.ts";
import type { JsonObject } from "./json.ts";

/** The six states that clients see, in the order of a job's life. */
export const PUBLIC_STATES = ["new", "queued", "running", "staging_out", "ok", "error"] as const;
export type PublicState = (typeof PUBLIC_STATES)[number];

/** How a command or a job ended. */
export interface Outcome {
  readonly isOk: boolean;
  /** Exit status; negative when ended by that signal; null when no command ran or nobody knows. */
  readonly returnCode: number | null;
  /** Why the job failed, for people; null when `isOk` or when the return code says it all. */
  readonly reason: string | null;
  /** Machine that had the job, where the scheduler tells; for administrators. */
  readonly host?: string;
}

/** What a scheduler says about a job. */
export type SchedulerStatus =
  | {
      readonly type: "queued";
      /** Why the scheduler does not start it, when that is more than a matter of its turn. */
      readonly note?: string;
    }
  | { readonly type: "running" }
  | {
      readonly type: "ended";
      readonly outcome: Outcome;
      /**
       * True when the command neither ended by itself nor was cancelled, but was lost with its machine or its process;
       * nothing of it is left running. Its destination may run it again. Absent: false.
       */
      readonly isInterrupted?: boolean;
    };

/** Why a job is being ended before its command did. */
export interface Cancellation {
  readonly reason: string;
  /** True: job, files and row go away. False: the job stays as `error` with the reason. */
  readonly isDelete: boolean;
}

/** Where a job was handed to. */
export interface Placement {
  /** Name of the destination in the configuration. */
  readonly destination: string;
  /** True when the destination has its own file system, so that files have to be moved. */
  readonly isStaged: boolean;
}

/** A further attempt, because the one before was interrupted. */
export interface Rerun {
  /** Clients saw the job running and must not see it go back. */
  readonly wasRunning: boolean;
  /** What became of the attempt before. */
  readonly reason: string;
}

/**
 * The finer state of a job, saved before the effect that it names is started.
 *
 * A cancellation asked for while an effect is under way is kept beside the phase and obeyed at its answer.
 */
export type Progress =
  /** Row and upload exist; the upload is moved in place and a destination picked. */
  | { readonly phase: "accepted"; readonly upload: string; readonly cancellation: Cancellation | null }
  /** Input is copied to the destination. */
  | ({ readonly phase: "staging_in"; readonly cancellation: Cancellation | null } & Placement)
  /** Waits for a run slot of the destination. */
  | ({ readonly phase: "waiting" } & Placement)
  /** Attempt number and so its tag are saved; the scheduler may or may not have the job. */
  | ({
      readonly phase: "submitting";
      readonly cancellation: Cancellation | null;
      readonly rerun: Rerun | null;
    } & Placement)
  /** The scheduler has the job, its command has not started. */
  | ({
      readonly phase: "queued";
      readonly schedulerJobId: SchedulerJobId;
      readonly rerun: Rerun | null;
      /** Why the scheduler does not start it, when that is more than a matter of its turn. */
      readonly note: string | null;
    } & Placement)
  /** The command runs. */
  | ({ readonly phase: "running"; readonly schedulerJobId: SchedulerJobId } & Placement)
  /** The scheduler is asked to end the command, until it proved that nothing is left. */
  | ({
      readonly phase: "cancelling";
      readonly schedulerJobId: SchedulerJobId;
      readonly wasRunning: boolean;
      readonly cancellation: Cancellation;
    } & Placement)
  /** Output is copied back. */
  | ({
      readonly phase: "staging_out";
      readonly schedulerJobId: SchedulerJobId;
      readonly outcome: Outcome;
      readonly cancellation: Cancellation | null;
    } & Placement)
  /** The remote copy is removed and the reason of a failure written for the user. */
  | {
      readonly phase: "closing";
      readonly placement: Placement | null;
      readonly schedulerJobId: SchedulerJobId | null;
      readonly outcome: Outcome;
      readonly cancellation: Cancellation | null;
    }
  /** The end: nothing of the job is left outside its directory. */
  | {
      readonly phase: "finished";
      readonly placement: Placement | null;
      readonly schedulerJobId: SchedulerJobId | null;
      readonly outcome: Outcome;
    }
  /** Files and row are removed; hidden from clients. */
  | {
      readonly phase: "deleting";
      readonly placement: Placement | null;
      readonly schedulerJobId: SchedulerJobId | null;
      /** What clients saw last, so that the column never goes back. */
      readonly lastState: PublicState;
    };

export type Phase = Progress["phase"];

/** What never changes after acceptance, but for the name, which only the store's `rename` changes. */
export interface JobIdentity {
  readonly id: JobId;
  /** Label, 0–200 characters. */
  readonly name: string;
  readonly application: string;
  /** `sub` of the token, at most 254 characters. */
  readonly submitter: string;
  /** Validated form values, the variables of the command template. */
  readonly parameters: JsonObject;
  readonly origin: JobOrigin;
  /** Milliseconds since 1970. */
  readonly createdOnMs: number;
}

/** A job as the store keeps it. All times are milliseconds since 1970. */
export interface Job extends JobIdentity {
  readonly progress: Progress;
  /** Number of the newest attempt to run the command; 0 before the first. */
  readonly attempt: number;
  /** Counts the saves; a writer with an older number is refused. */
  readonly version: number;
  /** When the public state last changed. */
  readonly updatedOnMs: number;
  /** When the scheduler took the newest attempt. */
  readonly submittedOnMs: number | null;
  /** When the newest attempt to run the command was first seen running. */
  readonly startedOnMs: number | null;
  readonly finishedOnMs: number | null;
}

/** The one mapping from phases to what clients see. */
export function publicState(progress: Progress): PublicState {
  switch (progress.phase) {
    case "accepted":
    case "staging_in":
      return "new";
    case "waiting":
      return "queued";
    case "submitting":
    case "queued":
      return progress.rerun?.wasRunning === true ? "running" : "queued";
    case "running":
      return "running";
    case "cancelling":
      return progress.wasRunning ? "running" : "queued";
    case "staging_out":
    case "closing":
      return "staging_out";
    case "finished":
      return progress.outcome.isOk ? "ok" : "error";
    case "deleting":
      return progress.lastState;
    default:
      return assertNever(progress);
  }
}

/** The destination that a job was handed to, if it got that far. */
export function placementOf(progress: Progress): Placement | null {
  switch (progress.phase) {
    case "accepted":
      return null;
    case "closing":
    case "finished":
    case "deleting":
      return progress.placement;
    default:
      return progress;
  }
}

/** The scheduler's id of the newest attempt, if it got that far. */
export function schedulerJobIdOf(progress: Progress): SchedulerJobId | null {
  return "schedulerJobId" in progress ? progress.schedulerJobId : null;
}

/** How the command of the job ended, as far as it is known. */
export function knownOutcome(progress: Progress): Outcome | null {
  return "outcome" in progress ? progress.outcome : null;
}

/** True when the job is in state `ok` or `error` and nothing is left to do for it. */
export function isFinished(job: Job): boolean {
  return job.progress.phase === "finished";
}

/** True in the phases in which the job occupies one of its destination's run slots. */
export function holdsRunSlot(progress: Progress): boolean {
  switch (progress.phase) {
    case "submitting":
    case "queued":
    case "running":
    case "cancelling":
      return true;
    default:
      return false;
  }
}

/** True once the deletion of the job is recorded; its clients see it no more. */
export function isBeingDeleted(progress: Progress): boolean {
  if (progress.phase === "deleting") return true;
  return "cancellation" in progress && progress.cancellation?.isDelete === true;
}
