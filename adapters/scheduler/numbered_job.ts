import { type SchedulerJobId, schedulerJobId } from "../../src/core/ids.ts";
import { isTag } from "./attempt_id.ts";

/** What the id of a job says that a batch system knows by a number. */
export interface NumberedJob {
  /** The number; it may be given to another job when the batch system has lost its state. */
  readonly number: number;
  /** Name of the job in the batch system; undefined for a job that the Python Bartender submitted. */
  readonly tag: string | undefined;
}

export function idOfNumberedJob(number: number, tag: string): SchedulerJobId {
  return schedulerJobId(`${number}@${tag}`);
}

/** @returns undefined for what is neither of {@link idOfNumberedJob} nor a bare number */
export function parseNumberedJob(id: SchedulerJobId): NumberedJob | undefined {
  const match = /^([1-9]\d{0,9})(?:@(.+))?$/.exec(id);
  if (match === null) return undefined;
  const tag = match[2];
  return tag === undefined || isTag(tag) ? { number: Number(match[1]), tag } : undefined;
}
