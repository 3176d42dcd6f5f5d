import { assertNever } from "./assert_never.ts";
import type { DestinationPart } from "./destination_health.ts";
import { type Job, knownOutcome, type Phase, type Progress, placementOf } from "./job.ts";

/** A try that has failed and is repeated. */
export interface PendingRetry {
  /** What went wrong, for people. */
  readonly reason: string;
  /** When the next try is due, in milliseconds since 1970. */
  readonly dueMs: number;
}

/** What is known about a job at this moment beside what is saved. */
export interface Circumstances {
  readonly retry: PendingRetry | null;
  /** True when the configuration no longer has the destination that the job was handed to. */
  readonly isDestinationMissing: boolean;
  /** The parts of the job's destination that do not answer. */
  readonly outages: Partial<Readonly<Record<DestinationPart, PendingRetry>>>;
}

/**
 * Why a job is where it is, for its user: why it failed or is being ended, and what an unfinished one is waiting for.
 * Null when there is nothing to tell. Pure.
 */
export function reasonOf(job: Job, circumstances: Circumstances): string | null {
  const parts = [reasonOfEnd(job.progress) ?? statusOf(job.progress), hindranceOf(job.progress, circumstances)];
  const told = parts.filter((part) => part !== null);
  return told.length === 0 ? null : told.join("; ");
}

/** Why the job is being ended, is run again or how it failed, as it is saved; null when a return code says it all. Pure. */
export function reasonOfEnd(progress: Progress): string | null {
  switch (progress.phase) {
    case "accepted":
    case "staging_in":
    case "cancelling":
      return progress.cancellation?.reason ?? null;
    case "submitting":
      return progress.cancellation?.reason ?? progress.rerun?.reason ?? null;
    case "queued":
      return progress.note ?? progress.rerun?.reason ?? null;
    case "staging_out":
    case "closing":
      return progress.cancellation?.reason ?? progress.outcome.reason;
    case "finished":
      return progress.outcome.reason;
    case "waiting":
    case "running":
    case "deleting":
      return null;
    default:
      return assertNever(progress);
  }
}

/** A return code in words. */
function statusOf(progress: Progress): string | null {
  const outcome = knownOutcome(progress);
  return outcome === null || outcome.isOk || outcome.returnCode === null
    ? null
    : `The command ended with status ${outcome.returnCode}`;
}

/** What keeps an unfinished job from going on. */
function hindranceOf(progress: Progress, { retry, isDestinationMissing, outages }: Circumstances): string | null {
  if (progress.phase === "finished") return null;
  const part = partNeeded(progress);
  const outage = part === null ? undefined : outages[part];
  if (outage !== undefined) {
    const name = placementOf(progress)?.destination;
    return `Destination "${name}" is degraded: ${outage.reason}; next try at ${moment(outage.dueMs)}`;
  }
  if (retry !== null) return `${FAILED_EFFECT[progress.phase]}: ${retry.reason}; next try at ${moment(retry.dueMs)}`;
  const placement = placementOf(progress);
  return isDestinationMissing && placement !== null
    ? `Destination "${placement.destination}" is not configured any more; the job waits for it`
    : null;
}

/** Without which part of its destination the job cannot go on. */
function partNeeded(progress: Progress): DestinationPart | null {
  switch (progress.phase) {
    case "accepted":
    case "finished":
      return null;
    case "staging_in":
    case "staging_out":
    case "closing":
    case "deleting":
      return placementOf(progress)?.isStaged === true ? "file_system" : null;
    case "waiting":
    case "submitting":
    case "queued":
    case "running":
    case "cancelling":
      return "scheduler";
    default:
      return assertNever(progress);
  }
}

/** What is being tried again in a phase. */
const FAILED_EFFECT: { readonly [P in Exclude<Phase, "finished">]: string } = {
  accepted: "No destination could be chosen",
  staging_in: "Input could not be copied to the destination",
  waiting: "The destination could not be reached",
  submitting: "The job could not be submitted",
  queued: "The scheduler could not be reached",
  running: "The scheduler could not be reached",
  cancelling: "The command could not be ended",
  staging_out: "Output could not be copied back",
  closing: "The copy at the destination could not be removed",
  deleting: "The files could not be removed",
};

/** ISO 8601 in UTC, whole seconds. */
function moment(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
