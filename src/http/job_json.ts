import { type Job, type PublicState, publicState } from "../core/job.ts";

/** A job as clients see it, keys in this order. */
export interface JobJson {
  readonly id: number;
  readonly name: string;
  readonly application: string;
  readonly state: PublicState;
  readonly created_on: string;
  readonly updated_on: string;
}

/** Pure: what the API shows of `job`; never who submitted it or where it runs. */
export function jobToJson(job: Job): JobJson {
  return {
    id: job.id,
    name: job.name,
    application: job.application,
    state: publicState(job.progress),
    created_on: isoDate(job.createdOnMs),
    updated_on: isoDate(job.updatedOnMs),
  };
}

/**
 * ISO 8601 in UTC with offset `+00:00`; three or six fraction digits, none when the fraction is zero.
 *
 * @param ms milliseconds since 1970, may have a fraction of microseconds
 */
export function isoDate(ms: number): string {
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
