import type { Fault } from "./errors.ts";
import type { SchedulerJobId } from "./ids.ts";
import type { Cancellation, Placement, SchedulerStatus } from "./job.ts";

/**
 * Facts that move a job. An answer `…_failed` tells how often in a row that effect has failed: from 1, or 0 when the
 * fault is that of a destination known to be degraded, and so does not count.
 */
export type JobEvent =
  /** The job's actor or its destination (re)started, or a retry is due: nothing of the phase's effect is under way. */
  | { readonly type: "resumed" }
  | ({ readonly type: "destination_picked" } & Placement)
  | { readonly type: "admission_failed"; readonly fault: Fault; readonly failures: number }
  /** The destination that was chosen takes no new jobs for now; this is no failure. */
  | { readonly type: "admission_deferred"; readonly fault: Fault }
  | { readonly type: "staged_in" }
  | { readonly type: "stage_in_failed"; readonly fault: Fault; readonly failures: number }
  | { readonly type: "run_slot_granted" }
  /** `status` is there when the scheduler could tell at once. */
  | { readonly type: "submitted"; readonly schedulerJobId: SchedulerJobId; readonly status: SchedulerStatus | null }
  | { readonly type: "submit_failed"; readonly fault: Fault; readonly failures: number }
  /**
   * Answer to a look-up of the attempt's tag; null when the scheduler does not have it. `absences` counts the look-ups
   * in a row that found nothing, from 1; 0 when this one did not.
   */
  | { readonly type: "attempt_found"; readonly schedulerJobId: SchedulerJobId | null; readonly absences: number }
  | { readonly type: "find_failed"; readonly fault: Fault; readonly failures: number }
  | { readonly type: "status_observed"; readonly schedulerJobId: SchedulerJobId; readonly status: SchedulerStatus }
  | { readonly type: "cancel_requested"; readonly cancellation: Cancellation }
  /** The command runs longer than it may, as far as is known. */
  | { readonly type: "runtime_exceeded"; readonly cancellation: Cancellation }
  | {
      readonly type: "look_failed";
      readonly fault: Fault;
      readonly failures: number;
      readonly cancellation: Cancellation;
    }
  | { readonly type: "cancelled" }
  | { readonly type: "cancel_failed"; readonly fault: Fault; readonly failures: number }
  | { readonly type: "staged_out" }
  | { readonly type: "stage_out_failed"; readonly fault: Fault; readonly failures: number }
  | { readonly type: "closed" }
  | { readonly type: "close_failed"; readonly fault: Fault; readonly failures: number }
  | { readonly type: "removed" }
  | { readonly type: "remove_failed"; readonly fault: Fault; readonly failures: number };

/** What is to be done in the world once the step is saved; described here, run by the job's actor. */
export type JobEffect =
  /** Move the upload in place and ask the picker. Answer: `destination_picked`, `admission_deferred` or `admission_failed`. */
  | { readonly type: "admit"; readonly upload: string }
  /** Copy the input. Answer: `staged_in` or `stage_in_failed`. */
  | { readonly type: "stage_in"; readonly placement: Placement }
  /** Wait for the end of a copy that may be under way. Answer: that of `stage_in` or `stage_out`; a failure when none is. */
  | { readonly type: "await_copy"; readonly placement: Placement }
  /** Queue for a run slot. Answer: `run_slot_granted`, sooner or later. */
  | { readonly type: "request_run_slot"; readonly placement: Placement }
  /** Give the run slot back, or leave the queue for it. No answer. */
  | { readonly type: "release_run_slot"; readonly placement: Placement }
  /** Hand over to the scheduler. Answer: `submitted` or `submit_failed`. */
  | { readonly type: "submit"; readonly placement: Placement; readonly attempt: number }
  /** Look the attempt up on the scheduler. Answer: `attempt_found` or `find_failed`. */
  | { readonly type: "find"; readonly placement: Placement; readonly attempt: number }
  /** Have changes reported. Answers: `status_observed`, any number of them. */
  | { readonly type: "watch"; readonly placement: Placement; readonly schedulerJobId: SchedulerJobId }
  /**
   * Ask the scheduler whether the command has ended by itself, as it may have while nobody watched. Answer:
   * `status_observed` when it has, `cancel_requested` when it has not, or `look_failed`.
   */
  | {
      readonly type: "look";
      readonly placement: Placement;
      readonly schedulerJobId: SchedulerJobId;
      readonly cancellation: Cancellation;
    }
  /** End the command and prove it. Answer: `cancelled` or `cancel_failed`. */
  | { readonly type: "cancel"; readonly placement: Placement; readonly schedulerJobId: SchedulerJobId }
  /** Copy the output back. Answer: `staged_out` or `stage_out_failed`. */
  | { readonly type: "stage_out"; readonly placement: Placement }
  /** Remove the remote copy and append the reason to the job's `stderr.txt`. Answer: `closed` or `close_failed`. */
  | { readonly type: "close"; readonly placement: Placement | null; readonly reason: string | null }
  /** Let the scheduler drop what it keeps about an ended job. No answer. */
  | { readonly type: "forget"; readonly placement: Placement; readonly schedulerJobId: SchedulerJobId }
  /** Remove remote copy, job directory and row, in this order. Answer: `removed` or `remove_failed`. */
  | { readonly type: "remove"; readonly placement: Placement | null }
  /** Wait with exponential back-off, or for the destination when `failures` is 0, then feed `resumed`. */
  | { readonly type: "retry_later"; readonly failures: number; readonly fault: Fault }
  /** Cut a waiting retry short: feed `resumed` at once when one waits, else do nothing. */
  | { readonly type: "retry_now" };
