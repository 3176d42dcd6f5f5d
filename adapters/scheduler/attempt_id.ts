import { type AttemptTag, type SchedulerJobId, schedulerJobId } from "../../src/core/ids.ts";

/** What the id of a process on this machine says without a look at any file. */
export interface AttemptId {
  readonly tag: AttemptTag;
  /** Boot of the machine under which it was started: of another one, nothing can be running. */
  readonly bootId: string;
}

export function idOfAttempt(tag: string, bootId: string): SchedulerJobId {
  return schedulerJobId(`${tag}@${bootId}`);
}

/** @returns undefined for what {@link idOfAttempt} did not make */
export function parseAttemptId(id: SchedulerJobId): AttemptId | undefined {
  const [tag = "", bootId = "", ...rest] = id.split("@");
  return isTag(tag) && /^[0-9a-z]+$/.test(bootId) && rest.length === 0 ? { tag: tag as AttemptTag, bootId } : undefined;
}

/** Tags become file names, so nothing else may come near one. */
export function isTag(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9-]{0,150}$/.test(text);
}
