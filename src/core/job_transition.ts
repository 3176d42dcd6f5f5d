import { assertNever } from "./assert_never.ts";
import type { SchedulerJobId } from "./ids.ts";
import type { Job, Placement, SchedulerStatus } from "./job.ts";
import {
  endEarly,
  endOfCommand,
  fail,
  startCancel,
  startRemoval,
  whileCancelling,
  whileClosing,
  whileDeleting,
  whileStagingOut,
} from "./job_end.ts";
import type { JobEvent } from "./job_event.ts";
import {
  advance,
  before,
  effects,
  type In,
  ignore,
  mayTryAgain,
  place,
  remember,
  retryLater,
  type Step,
  started,
} from "./job_step.ts";

/**
 * What a job does next when `event` arrives. Pure: effects are described, not run.
 *
 * Events that do not fit the phase are late answers of an earlier one and change nothing.
 */
export function transition(job: Job, event: JobEvent, nowMs: number): Step {
  const { progress } = job;
  switch (progress.phase) {
    case "accepted":
      return whileAccepted(job, progress, event, nowMs);
    case "staging_in":
      return whileStagingIn(job, progress, event, nowMs);
    case "waiting":
      return whileWaiting(job, progress, event, nowMs);
    case "submitting":
      return whileSubmitting(job, progress, event, nowMs);
    case "queued":
    case "running":
      return whileActive(job, progress, event, nowMs);
    case "cancelling":
      return whileCancelling(job, progress, event, nowMs);
    case "staging_out":
      return whileStagingOut(job, progress, event, nowMs);
    case "closing":
      return whileClosing(job, progress, event, nowMs);
    case "finished":
      return event.type === "cancel_requested" && event.cancellation.isDelete ? startRemoval(job, nowMs) : ignore(job);
    case "deleting":
      return whileDeleting(job, progress, event);
    default:
      return assertNever(progress);
  }
}

function whileAccepted(job: Job, now: In<"accepted">, event: JobEvent, nowMs: number): Step {
  switch (event.type) {
    case "resumed":
      return now.cancellation === null
        ? effects(job, { type: "admit", upload: now.upload })
        : endEarly(job, now.cancellation, nowMs);
    case "destination_picked": {
      if (now.cancellation !== null) return endEarly(job, now.cancellation, nowMs);
      const placement = { destination: event.destination, isStaged: event.isStaged };
      return event.isStaged
        ? advance(job, { phase: "staging_in", ...placement, cancellation: null }, nowMs, {
            type: "stage_in",
            placement,
          })
        : startWaiting(job, placement, nowMs);
    }
    case "admission_failed":
      if (now.cancellation !== null) return endEarly(job, now.cancellation, nowMs);
      return mayTryAgain(event) ? retryLater(job, event) : fail(job, event.fault.message, nowMs);
    case "cancel_requested":
      return remember(job, { ...now, cancellation: event.cancellation }, nowMs);
    default:
      return ignore(job);
  }
}

function whileStagingIn(job: Job, now: In<"staging_in">, event: JobEvent, nowMs: number): Step {
  switch (event.type) {
    case "resumed":
      return now.cancellation === null
        ? effects(job, { type: "stage_in", placement: place(now) })
        : endEarly(job, now.cancellation, nowMs);
    case "staged_in":
      return now.cancellation === null ? startWaiting(job, place(now), nowMs) : endEarly(job, now.cancellation, nowMs);
    case "stage_in_failed":
      if (now.cancellation !== null) return endEarly(job, now.cancellation, nowMs);
      return mayTryAgain(event)
        ? retryLater(job, event)
        : fail(job, `Input could not be copied to the destination: ${event.fault.message}`, nowMs);
    case "cancel_requested":
      return remember(job, { ...now, cancellation: event.cancellation }, nowMs);
    default:
      return ignore(job);
  }
}

function startWaiting(job: Job, placement: Placement, nowMs: number): Step {
  return advance(job, { phase: "waiting", ...placement }, nowMs, { type: "request_run_slot", placement });
}

function whileWaiting(job: Job, now: In<"waiting">, event: JobEvent, nowMs: number): Step {
  const placement = place(now);
  switch (event.type) {
    case "resumed":
      return effects(job, { type: "request_run_slot", placement });
    case "run_slot_granted": {
      const attempt = job.attempt + 1;
      const next: Job = { ...job, attempt };
      return advance(next, { phase: "submitting", ...placement, cancellation: null }, nowMs, {
        type: "submit",
        placement,
        attempt,
      });
    }
    case "cancel_requested":
      return before({ type: "release_run_slot", placement }, endEarly(job, event.cancellation, nowMs));
    default:
      return ignore(job);
  }
}

function whileSubmitting(job: Job, now: In<"submitting">, event: JobEvent, nowMs: number): Step {
  const placement = place(now);
  switch (event.type) {
    case "resumed":
      // A submission may have got through unseen: whoever wants the job gone has to look for it first.
      return effects(job, { type: now.cancellation === null ? "submit" : "find", placement, attempt: job.attempt });
    case "submitted":
      return now.cancellation === null
        ? enterScheduler(job, placement, event.schedulerJobId, event.status, nowMs)
        : startCancel(job, placement, event.schedulerJobId, false, now.cancellation, nowMs);
    case "submit_failed":
      // "No answer" is no refusal: only a definite answer may end the job here, however long it takes.
      if (event.fault.retryable) return retryLater(job, event);
      return before(
        { type: "release_run_slot", placement },
        now.cancellation === null ? fail(job, event.fault.message, nowMs) : endEarly(job, now.cancellation, nowMs),
      );
    case "attempt_found":
      if (now.cancellation === null) return ignore(job);
      return event.schedulerJobId === null
        ? before({ type: "release_run_slot", placement }, endEarly(job, now.cancellation, nowMs))
        : startCancel(job, placement, event.schedulerJobId, false, now.cancellation, nowMs);
    case "find_failed":
      return retryLater(job, event);
    case "cancel_requested":
      return remember(job, { ...now, cancellation: event.cancellation }, nowMs);
    default:
      return ignore(job);
  }
}

/** The scheduler has the job; it may even have ended it by now. */
function enterScheduler(
  job: Job,
  placement: Placement,
  schedulerJobId: SchedulerJobId,
  status: SchedulerStatus | null,
  nowMs: number,
): Step {
  switch (status?.type) {
    case "ended":
      return endOfCommand(started(job, nowMs), placement, schedulerJobId, status.outcome, nowMs);
    case "running":
      return advance(started(job, nowMs), { phase: "running", ...placement, schedulerJobId }, nowMs, {
        type: "watch",
        placement,
        schedulerJobId,
      });
    default:
      return advance(job, { phase: "queued", ...placement, schedulerJobId }, nowMs, {
        type: "watch",
        placement,
        schedulerJobId,
      });
  }
}

function whileActive(job: Job, now: In<"queued" | "running">, event: JobEvent, nowMs: number): Step {
  const placement = place(now);
  const { schedulerJobId } = now;
  switch (event.type) {
    case "resumed":
      return effects(job, { type: "watch", placement, schedulerJobId });
    case "status_observed":
      if (event.schedulerJobId !== schedulerJobId) return ignore(job);
      switch (event.status.type) {
        case "queued":
          // Schedulers may put a running job back; clients only ever see states move forward.
          return ignore(job);
        case "running":
          return now.phase === "running"
            ? ignore(job)
            : advance(started(job, nowMs), { phase: "running", ...placement, schedulerJobId }, nowMs);
        case "ended":
          return endOfCommand(started(job, nowMs), placement, schedulerJobId, event.status.outcome, nowMs);
        default:
          return assertNever(event.status);
      }
    case "cancel_requested":
      return startCancel(job, placement, schedulerJobId, now.phase === "running", event.cancellation, nowMs);
    default:
      return ignore(job);
  }
}
