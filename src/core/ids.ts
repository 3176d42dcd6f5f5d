/** Branded identifiers, so that one kind cannot be passed where another is wanted. */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Number of a job: positive, ascending, never reused; at most 2³¹−1 in the database. */
export type JobId = Branded<number, "JobId">;

/** What a scheduler calls a submission, e.g. a Slurm job number; at most 200 characters. */
export type SchedulerJobId = Branded<string, "SchedulerJobId">;

/** Name of one attempt to run a job; unique over all daemons, looked up on the scheduler after a crash. */
export type AttemptTag = Branded<string, "AttemptTag">;

/** Largest job number that the database column can hold. */
export const MAX_JOB_ID = 2 ** 31 - 1;

export function jobId(value: number): JobId {
  return value as JobId;
}

export function schedulerJobId(value: string): SchedulerJobId {
  return value as SchedulerJobId;
}

/**
 * Builds the tag of one attempt.
 *
 * @param instanceId identifies the database, so that two daemons on one cluster never share a tag
 * @returns letters, digits and `-` only, so that it can stand in a job name of every scheduler
 */
export function attemptTag(instanceId: string, id: JobId, attempt: number): AttemptTag {
  return `bartender-${instanceId}-${id}-${attempt}` as AttemptTag;
}

/** What {@link attemptTag} was made from; undefined for any other text. */
export function parseAttemptTag(
  tag: string,
): { readonly instanceId: string; readonly id: JobId; readonly attempt: number } | undefined {
  const [, instanceId = "", id = "", attempt = ""] =
    /^bartender-([a-z0-9]+)-([1-9]\d{0,9})-(\d{1,10})$/.exec(tag) ?? [];
  return instanceId === "" ? undefined : { instanceId, id: jobId(Number(id)), attempt: Number(attempt) };
}
