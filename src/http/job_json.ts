import { knownOutcome, type Phase, type PublicState, placementOf, publicState } from "../core/job.ts";
import type { JobView } from "../ports/job_service.ts";
import type { HistoryEntry } from "../ports/job_store.ts";

/** A job as clients see it, keys in this order: those of the Python Bartender first. */
export interface JobJson {
  readonly id: number;
  readonly name: string;
  readonly application: string;
  readonly state: PublicState;
  readonly created_on: string;
  readonly updated_on: string;
  readonly reason: string | null;
  readonly destination: string | null;
  readonly queue_position: number | null;
  readonly submitted_on: string | null;
  readonly started_on: string | null;
  readonly finished_on: string | null;
  readonly returncode: number | null;
}

/** Pure: what the API shows of a job; never who submitted it, with which values, or what its scheduler calls it. */
export function jobToJson({ job, reason, queuePosition }: JobView): JobJson {
  return {
    id: job.id,
    name: job.name,
    application: job.application,
    state: publicState(job.progress),
    created_on: isoDate(job.createdOnMs),
    updated_on: isoDate(job.updatedOnMs),
    reason,
    destination: placementOf(job.progress)?.destination ?? null,
    queue_position: queuePosition,
    submitted_on: optionalDate(job.submittedOnMs),
    started_on: optionalDate(job.startedOnMs),
    finished_on: optionalDate(job.finishedOnMs),
    returncode: knownOutcome(job.progress)?.returnCode ?? null,
  };
}

function optionalDate(ms: number | null): string | null {
  return ms === null ? null : isoDate(ms);
}

/** One transition of a job as clients see it. */
export interface HistoryJson {
  /** Counts the transitions of the job, from 1. */
  readonly version: number;
  readonly on: string;
  readonly state: PublicState;
  readonly phase: Phase;
  readonly attempt: number;
  readonly reason: string | null;
}

/** Pure: what the API shows of one line of a job's history. */
export function historyToJson(entry: HistoryEntry): HistoryJson {
  const { version, onMs, state, phase, attempt, reason } = entry;
  return { version, on: isoDate(onMs), state, phase, attempt, reason };
}

/**
 * ISO 8601 in UTC with offset `+00:00`; three or six fraction digits, none when the fraction is zero.
 *
 * @param ms milliseconds since 1970, may have a fraction of microseconds
 */
export function isoDate(ms: number): string {
  if (Number.isInteger(ms)) {
    const text = new Date(ms).toISOString();
    return `${text.slice(0, text.endsWith(".000Z") ? -5 : -1)}+00:00`;
  }
  const micros = Math.round(ms * 1000);
  const fraction = ((micros % 1_000_000) + 1_000_000) % 1_000_000;
  const seconds = new Date((micros - fraction) / 1000).toISOString().slice(0, 19);
  return `${seconds}${fractionDigits(fraction)}+00:00`;
}

function fractionDigits(micros: number): string {
  if (micros === 0) return "";
  const digits = String(micros).padStart(6, "0");
  return `.${digits.endsWith("000") ? digits.slice(0, 3) : digits}`;
}
