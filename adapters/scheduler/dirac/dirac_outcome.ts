import type { SchedulerStatus } from "../../../src/core/job.ts";
import { outcomeOf } from "../outcome_of.ts";
import type { DiracRecord } from "./dirac_sandboxes.ts";
import { type DiracJobState, described, isGood, isInterruption } from "./dirac_state.ts";

type Ended = Extract<SchedulerStatus, { type: "ended" }>;

/**
 * How a job ended that DIRAC shows as ended.
 *
 * @param state as DIRAC shows it
 * @param record what its script has left; undefined when that is nothing
 */
export function endOf(state: DiracJobState, record: DiracRecord | undefined): Ended {
  const returnCode = record?.returnCode;
  if (record === undefined && isGood(state.status)) return { type: "ended", outcome: outcomeOf(0) };
  // Whose output is stored has done its work, whatever DIRAC missed afterwards; a failure says all by its number.
  if (returnCode !== undefined && record?.isStored === true) return { type: "ended", outcome: outcomeOf(returnCode) };
  if (record?.claimedBy === state.number) {
    const why = `${described(state)}, and DIRAC started the job again, which does not repeat its command`;
    return { type: "ended", outcome: outcomeOf(undefined, why) };
  }
  const why = [described(state), record?.problem].filter((part) => part !== undefined).join("; ");
  const outcome = outcomeOf(returnCode, why);
  return { type: "ended", outcome, ...(isInterruption(state) ? { isInterrupted: true } : {}) };
}
