import { assertNever } from "./assert_never.ts";
import type { Fault } from "./errors.ts";
import type { SchedulerJobId } from "./ids.ts";
import { type Job, type Placement, publicState, type SchedulerStatus } from "./job.ts";
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
import { DEFAULT_RULES, type JobRules } from "./job_rules.ts";
import {
  advance,
  before,
  cancelLater,
  effects,
  type In,
  ignore,
  mayTryAgain,
  place,
  retryLater,
  type Step,
  started,
} from "./job_step.ts";

/**
 * How often in a row a submission has to be looked for in vain before it is believed absent; with the usual back-off
 * about half a minute. One whose answer never came may still be on its way, and schedulers forget for a while what
 * they were just given.
 */
export const ABSENCES = 6;

/** A job whose destination takes no new jobs waits as long as after that many failures, each time; usually 16 seconds. */
const DEFERRED_AS_FAILURES = 5;

const NOT_FOUND: Fault = { message: "The scheduler does not know the submission", retryable: true };

/**
 * What a job does next when `event` arrives. Pure: effects are described, not run.
 *
 * Events that do not fit the phase are late answers of an earlier one and change nothing.
 *
 * @param rules of the job's destination
 */
export function transition(job: Job, event: JobEvent, nowMs: number, rules: JobRules = DEFAULT_RULES): Step {
  const { progress } = job;
  switch (progress.phase) {
    case "accepted":
      return whileAccepted(job, progress, event, nowMs, rules);
    case "staging_in":
      return whileStagingIn(job, progress, event, nowMs, rules);
    case "waiting":
      return whileWaiting(job, progress, event, nowMs);
    case "submitting":
      return whileSubmitting(job, progress, event, nowMs, rules);
    case "queued":
    case "running":
      return whileActive(job, progress, event, nowMs, rules);
    case "cancelling":
      return whileCancelling(job, progress, event, nowMs);
    case "staging_out":
      return whileStagingOut(job, progress, event, nowMs, rules);
    case "closing":
      return whileClosing(job, progress, event, nowMs, rules);
    case "finished":
      return event.type === "cancel_requested" && event.cancellation.isDelete ? startRemoval(job, nowMs) : ignore(job);
    case "deleting":
      return whileDeleting(job, progress, event);
    default:
      return assertNever(progress);
  }
}

function whileAccepted(job: Job, now: In<"accepted">, event: JobEvent, nowMs: number, rules: JobRules): Step {
  switch (event.type) {
    case "resumed":
      // The upload may still lie where it came in: also a job that is to end needs its files in their place first.
      return effects(job, { type: "admit", upload: now.upload });
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
      return mayTryAgain(event, rules) ? retryLater(job, event) : fail(job, event.fault.message, nowMs);
    case "admission_deferred":
      if (now.cancellation !== null) return endEarly(job, now.cancellation, nowMs);
      return retryLater(job, { fault: event.fault, failures: DEFERRED_AS_FAILURES });
    case "cancel_requested":
      return cancelLater(job, now, event.cancellation, nowMs);
    default:
      return ignore(job);
  }
}

function whileStagingIn(job: Job, now: In<"staging_in">, event: JobEvent, nowMs: number, rules: JobRules): Step {
  switch (event.type) {
    case "resumed":
      return now.cancellation === null
        ? effects(job, { type: "stage_in", placement: place(now) })
        : // An earlier life of the job's actor may have asked for a copy that is under way still.
          effects(job, { type: "await_copy", placement: place(now) });
    case "staged_in":
      return now.cancellation === null ? startWaiting(job, place(now), nowMs) : endEarly(job, now.cancellation, nowMs);
    case "stage_in_failed":
      if (now.cancellation !== null) return endEarly(job, now.cancellation, nowMs);
      return mayTryAgain(event, rules)
        ? retryLater(job, event)
        : fail(job, `Input could not be copied to the destination: ${event.fault.message}`, nowMs);
    case "cancel_requested":
      return cancelLater(job, now, event.cancellation, nowMs);
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
      return advance(next, { phase: "submitting", ...placement, cancellation: null, rerun: null }, nowMs, {
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

function whileSubmitting(job: Job, now: In<"submitting">, event: JobEvent, nowMs: number, rules: JobRules): Step {
  const placement = place(now);
  const wasRunning = now.rerun?.wasRunning === true;
  switch (event.type) {
    case "resumed":
      // A submission may have got through unseen: whoever wants the job gone has to look for it first.
      return effects(job, { type: now.cancellation === null ? "submit" : "find", placement, attempt: job.attempt });
    case "submitted": {
      const taken: Job = { ...job, submittedOnMs: nowMs };
      return now.cancellation === null
        ? enterScheduler(taken, now, event.schedulerJobId, event.status, nowMs, rules)
        : startCancel(taken, placement, event.schedulerJobId, wasRunning, now.cancellation, nowMs);
    }
    case "submit_failed":
      // "No answer" is no refusal: only a definite answer may end the job here, however long it takes.
      if (event.fault.retryable) return retryLater(job, event);
      return before(
        { type: "release_run_slot", placement },
        now.cancellation === null ? fail(job, event.fault.message, nowMs) : endEarly(job, now.cancellation, nowMs),
      );
    case "attempt_found":
      if (now.cancellation === null) return ignore(job);
      if (event.schedulerJobId !== null) {
        return startCancel(job, placement, event.schedulerJobId, wasRunning, now.cancellation, nowMs);
      }
      return event.absences < ABSENCES
        ? retryLater(job, { failures: event.absences, fault: NOT_FOUND })
        : before({ type: "release_run_slot", placement }, endEarly(job, now.cancellation, nowMs));
    case "find_failed":
      return retryLater(job, event);
    case "cancel_requested":
      return cancelLater(job, now, event.cancellation, nowMs);
    default:
      return ignore(job);
  }
}

/** The scheduler has the job; it may even have ended it by now. */
function enterScheduler(
  job: Job,
  now: In<"submitting">,
  schedulerJobId: SchedulerJobId,
  status: SchedulerStatus | null,
  nowMs: number,
  rules: JobRules,
): Step {
  const placement = place(now);
  switch (status?.type) {
    case "ended":
      return ended(job, placement, schedulerJobId, status, nowMs, rules);
    case "running":
      return advance(started(job, nowMs), { phase: "running", ...placement, schedulerJobId }, nowMs, {
        type: "watch",
        placement,
        schedulerJobId,
      });
    default:
      return advance(
        job,
        { phase: "queued", ...placement, schedulerJobId, rerun: now.rerun, note: status?.note ?? null },
        nowMs,
        {
          type: "watch",
          placement,
          schedulerJobId,
        },
      );
  }
}

/** The attempt is over; the job is, too, unless it was interrupted and its destination runs it again. */
function ended(
  job: Job,
  placement: Placement,
  schedulerJobId: SchedulerJobId,
  { outcome, isInterrupted = false }: Extract<SchedulerStatus, { type: "ended" }>,
  nowMs: number,
  rules: JobRules,
): Step {
  if (!isInterrupted || rules.maxReruns === 0) {
    return endOfCommand(started(job, nowMs), placement, schedulerJobId, outcome, nowMs);
  }
  const reason = outcome.reason ?? "The command was interrupted";
  if (job.attempt > rules.maxReruns) {
    const last = { ...outcome, reason: `${reason} (attempt ${job.attempt} of ${job.attempt})` };
    return endOfCommand(started(job, nowMs), placement, schedulerJobId, last, nowMs);
  }
  const attempt = job.attempt + 1;
  const rerun = { wasRunning: publicState(job.progress) === "running", reason };
  // The run slot is kept: the interrupted attempt needs none any more.
  return advance(
    { ...job, attempt, startedOnMs: null },
    { phase: "submitting", ...placement, cancellation: null, rerun },
    nowMs,
    { type: "submit", placement, attempt },
    { type: "forget", placement, schedulerJobId },
  );
}

function whileActive(job: Job, now: In<"queued" | "running">, event: JobEvent, nowMs: number, rules: JobRules): Step {
  const placement = place(now);
  const { schedulerJobId } = now;
  switch (event.type) {
    case "resumed":
      return effects(job, { type: "watch", placement, schedulerJobId });
    case "status_observed":
      if (event.schedulerJobId !== schedulerJobId) return ignore(job);
      switch (event.status.type) {
        case "queued": {
          const note = event.status.note ?? null;
          // Schedulers may put a running job back; clients only ever see states move forward.
          return now.phase === "running" || now.note === note ? ignore(job) : advance(job, { ...now, note }, nowMs);
        }
        case "running":
          return now.phase === "running"
            ? ignore(job)
            : advance(started(job, nowMs), { phase: "running", ...placement, schedulerJobId }, nowMs);
        case "ended":
          return ended(job, placement, schedulerJobId, event.status, nowMs, rules);
        default:
          return assertNever(event.status);
      }
    case "runtime_exceeded":
      return now.phase === "running"
        ? effects(job, { type: "look", placement, schedulerJobId, cancellation: event.cancellation })
        : ignore(job);
    case "look_failed":
      if (now.phase !== "running") return ignore(job);
      return event.fault.retryable
        ? retryLater(job, event)
        : startCancel(job, placement, schedulerJobId, true, event.cancellation, nowMs);
    case "cancel_requested":
      return startCancel(job, placement, schedulerJobId, publicState(now) === "running", event.cancellation, nowMs);
    default:
      return ignore(job);
  }
}
