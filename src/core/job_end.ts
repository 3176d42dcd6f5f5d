import type { Fault } from "./errors.ts";
import type { SchedulerJobId } from "./ids.ts";
import {
  type Cancellation,
  type Job,
  knownOutcome,
  type Outcome,
  type Placement,
  placementOf,
  publicState,
  schedulerJobIdOf,
} from "./job.ts";
import type { JobEffect, JobEvent } from "./job_event.ts";
import type { JobRules } from "./job_rules.ts";
import {
  advance,
  after,
  before,
  effects,
  type In,
  ignore,
  mayTryAgain,
  place,
  remember,
  retryLater,
  type Step,
} from "./job_step.ts";

export function startCancel(
  job: Job,
  placement: Placement,
  schedulerJobId: SchedulerJobId,
  wasRunning: boolean,
  cancellation: Cancellation,
  nowMs: number,
): Step {
  return advance(job, { phase: "cancelling", ...placement, schedulerJobId, wasRunning, cancellation }, nowMs, {
    type: "cancel",
    placement,
    schedulerJobId,
  });
}

export function whileCancelling(job: Job, now: In<"cancelling">, event: JobEvent, nowMs: number): Step {
  const placement = place(now);
  switch (event.type) {
    case "resumed":
      return effects(job, { type: "cancel", placement, schedulerJobId: now.schedulerJobId });
    case "cancelled": {
      // Nothing is left running from here on, whether the command ended by itself or not.
      const outcome = failure(now.cancellation.reason);
      return now.cancellation.isDelete
        ? before({ type: "release_run_slot", placement }, startRemoval(job, nowMs))
        : endOfCommand(job, placement, now.schedulerJobId, outcome, nowMs);
    }
    case "cancel_failed":
      // Giving up would leave a command running that everybody believes dead.
      return retryLater(job, event);
    case "cancel_requested":
      return event.cancellation.isDelete && !now.cancellation.isDelete
        ? remember(job, { ...now, cancellation: event.cancellation }, nowMs)
        : ignore(job);
    default:
      return ignore(job);
  }
}

export function endOfCommand(
  job: Job,
  placement: Placement,
  schedulerJobId: SchedulerJobId,
  outcome: Outcome,
  nowMs: number,
): Step {
  const release: JobEffect = { type: "release_run_slot", placement };
  if (placement.isStaged) {
    return advance(
      job,
      { phase: "staging_out", ...placement, schedulerJobId, outcome, cancellation: null },
      nowMs,
      release,
      { type: "stage_out", placement },
    );
  }
  if (outcome.reason !== null) return before(release, startClosing(job, placement, schedulerJobId, outcome, nowMs));
  return before(release, finish(job, placement, schedulerJobId, outcome, nowMs));
}

export function whileStagingOut(
  job: Job,
  now: In<"staging_out">,
  event: JobEvent,
  nowMs: number,
  rules: JobRules,
): Step {
  const placement = place(now);
  const isDelete = now.cancellation?.isDelete === true;
  switch (event.type) {
    case "resumed":
      return effects(job, { type: isDelete ? "await_copy" : "stage_out", placement });
    case "staged_out":
      return isDelete ? startRemoval(job, nowMs) : startClosing(job, placement, now.schedulerJobId, now.outcome, nowMs);
    case "stage_out_failed":
      if (isDelete) return startRemoval(job, nowMs);
      return mayTryAgain(event, rules)
        ? retryLater(job, event)
        : startClosing(job, placement, now.schedulerJobId, withoutOutput(now.outcome, event.fault), nowMs);
    case "cancel_requested":
      return rememberDelete(job, now, event.cancellation, nowMs);
    default:
      return ignore(job);
  }
}

/** A job that succeeded is no success for its user while the output is out of reach; a failed one keeps its reason. */
function withoutOutput(outcome: Outcome, fault: Fault): Outcome {
  const reason = `Output could not be copied back: ${fault.message}`;
  return outcome.isOk || outcome.reason === null ? { ...outcome, isOk: false, reason } : outcome;
}

function startClosing(
  job: Job,
  placement: Placement | null,
  schedulerJobId: SchedulerJobId | null,
  outcome: Outcome,
  nowMs: number,
): Step {
  return advance(job, { phase: "closing", placement, schedulerJobId, outcome, cancellation: null }, nowMs, {
    type: "close",
    placement,
    reason: outcome.reason,
  });
}

export function whileClosing(job: Job, now: In<"closing">, event: JobEvent, nowMs: number, rules: JobRules): Step {
  const isDelete = now.cancellation?.isDelete === true;
  switch (event.type) {
    case "resumed":
      return isDelete
        ? startRemoval(job, nowMs)
        : effects(job, { type: "close", placement: now.placement, reason: now.outcome.reason });
    case "closed":
      return isDelete ? startRemoval(job, nowMs) : finish(job, now.placement, now.schedulerJobId, now.outcome, nowMs);
    case "close_failed":
      if (isDelete) return startRemoval(job, nowMs);
      // Leftovers on the destination are the admin's concern (logged with the fault), not a reason to keep users waiting.
      return mayTryAgain(event, rules)
        ? retryLater(job, event)
        : finish(job, now.placement, now.schedulerJobId, now.outcome, nowMs);
    case "cancel_requested":
      return rememberDelete(job, now, event.cancellation, nowMs);
    default:
      return ignore(job);
  }
}

function finish(
  job: Job,
  placement: Placement | null,
  schedulerJobId: SchedulerJobId | null,
  outcome: Outcome,
  nowMs: number,
): Step {
  const next: Job = { ...job, finishedOnMs: nowMs };
  const step = advance(next, { phase: "finished", placement, schedulerJobId, outcome }, nowMs);
  return after(step, forget(placement, schedulerJobId));
}

/** The end of a job that cannot be carried on, once nothing of it is left running. Pure. */
export function abandoned(job: Job, reason: string, nowMs: number): Job {
  const { progress } = job;
  return finish(job, place(placementOf(progress)), schedulerJobIdOf(progress), failure(reason), nowMs).job;
}

export function startRemoval(job: Job, nowMs: number): Step {
  const placement = placementOf(job.progress);
  const schedulerJobId = schedulerJobIdOf(job.progress);
  const lastState = publicState(job.progress);
  const step = advance(job, { phase: "deleting", placement: place(placement), schedulerJobId, lastState }, nowMs, {
    type: "remove",
    placement: place(placement),
  });
  return after(step, forget(place(placement), schedulerJobId));
}

export function whileDeleting(job: Job, now: In<"deleting">, event: JobEvent): Step {
  switch (event.type) {
    case "resumed":
      return effects(job, { type: "remove", placement: now.placement });
    case "removed":
      return { job, effects: [], isGone: true };
    case "remove_failed":
      return retryLater(job, event);
    default:
      return ignore(job);
  }
}

/** The reason of a job that its submitter has cancelled. */
export function cancelledBy(submitter: string): string {
  return `${CANCELLED}${submitter}`;
}

const CANCELLED = "Cancelled by ";

/** Whether a finished job ended because somebody wanted it to. Pure. */
export function wasCancelled(job: Job): boolean {
  return knownOutcome(job.progress)?.reason?.startsWith(CANCELLED) === true;
}

/** What a request to cancel means to a job. */
export type Cancellability =
  /** It can be ended, or is being ended for that or another request already. */
  | "possible"
  /** Its command has ended, or will never run; what remains is to bring the job to its end. */
  | "past_command"
  | "finished";

/** Whether a job can still be cancelled by its submitter. Pure. */
export function cancellability({ progress, submitter }: Job): Cancellability {
  switch (progress.phase) {
    case "finished":
      return "finished";
    case "staging_out":
    case "closing":
      // On its way to the end that a cancellation has given it; asking twice is no fault.
      return progress.outcome.reason === cancelledBy(submitter) ? "possible" : "past_command";
    default:
      return "possible";
  }
}

/** Ends a job of which the scheduler has nothing. */
export function endEarly(job: Job, cancellation: Cancellation, nowMs: number): Step {
  return cancellation.isDelete ? startRemoval(job, nowMs) : fail(job, cancellation.reason, nowMs);
}

export function fail(job: Job, reason: string, nowMs: number): Step {
  return startClosing(job, place(placementOf(job.progress)), null, failure(reason), nowMs);
}

function failure(reason: string): Outcome {
  return { isOk: false, returnCode: null, reason };
}

function forget(placement: Placement | null, schedulerJobId: SchedulerJobId | null): readonly JobEffect[] {
  return placement === null || schedulerJobId === null ? [] : [{ type: "forget", placement, schedulerJobId }];
}

/** Once the command has ended only a delete still means anything. */
function rememberDelete(job: Job, now: In<"staging_out" | "closing">, cancellation: Cancellation, nowMs: number): Step {
  return cancellation.isDelete && now.cancellation === null
    ? remember(job, { ...now, cancellation }, nowMs)
    : ignore(job);
}
