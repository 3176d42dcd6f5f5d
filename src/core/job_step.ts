import type { Fault } from "./errors.ts";
import { type Cancellation, type Job, type Phase, type Placement, type Progress, publicState } from "./job.ts";
import type { JobEffect } from "./job_event.ts";
import type { JobRules } from "./job_rules.ts";

/**
 * What follows from an event. `job` is the very object that went in when nothing is to be saved; otherwise it
 * has to be saved before any of `effects` is started.
 */
export interface Step {
  readonly job: Job;
  readonly effects: readonly JobEffect[];
  /** True when the row is gone and the actor's work done. */
  readonly isGone: boolean;
}

/** The progress of a job in phase `P`. */
export type In<P extends Phase> = Extract<Progress, { phase: P }>;

/** True when a failed try is not the last one. */
export function mayTryAgain(event: { readonly fault: Fault; readonly failures: number }, rules: JobRules): boolean {
  return event.fault.retryable && event.failures < rules.maxAttempts;
}

export function started(job: Job, nowMs: number): Job {
  return job.startedOnMs === null ? { ...job, startedOnMs: nowMs } : job;
}

/** Only the two fields of a placement, so that nothing else of a phase slips into another. */
export function place(placement: Placement): Placement;
export function place(placement: Placement | null): Placement | null;
export function place(placement: Placement | null): Placement | null {
  return placement === null ? null : { destination: placement.destination, isStaged: placement.isStaged };
}

export function advance(job: Job, progress: Progress, nowMs: number, ...then: readonly JobEffect[]): Step {
  const isSameState = publicState(progress) === publicState(job.progress);
  return {
    job: { ...job, progress, updatedOnMs: isSameState ? job.updatedOnMs : nowMs },
    effects: then,
    isGone: false,
  };
}

/**
 * Keeps a cancellation until the effect under way has answered. A removal outdoes a mere end, which must not bring a
 * job back that its user wants gone; neither is asked for twice.
 */
export function cancelLater(
  job: Job,
  now: In<"accepted" | "staging_in" | "submitting">,
  cancellation: Cancellation,
  nowMs: number,
): Step {
  const isNews = now.cancellation === null || (cancellation.isDelete && !now.cancellation.isDelete);
  return isNews ? remember(job, { ...now, cancellation }, nowMs) : ignore(job);
}

/** Keeps what is in `progress` until the effect under way has answered; one that waits for a retry need not wait longer. */
export function remember(job: Job, progress: Progress, nowMs: number): Step {
  return advance(job, progress, nowMs, { type: "retry_now" });
}

export function retryLater(job: Job, event: { readonly fault: Fault; readonly failures: number }): Step {
  return effects(job, { type: "retry_later", failures: event.failures, fault: event.fault });
}

export function effects(job: Job, ...then: readonly JobEffect[]): Step {
  return { job, effects: then, isGone: false };
}

export function before(effect: JobEffect, step: Step): Step {
  return { ...step, effects: [effect, ...step.effects] };
}

export function after(step: Step, then: readonly JobEffect[]): Step {
  return { ...step, effects: [...step.effects, ...then] };
}

export function ignore(job: Job): Step {
  return { job, effects: [], isGone: false };
}
