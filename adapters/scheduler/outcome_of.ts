import { constants } from "node:os";
import type { Outcome } from "../../src/core/job.ts";

/**
 * How a command ended that left `returnCode`.
 *
 * @param reason why it was ended before its time, if it was; a good return code then counts for nothing
 */
export function outcomeOf(returnCode: number | undefined, reason?: string): Outcome {
  if (returnCode === undefined) {
    return { isOk: false, returnCode: null, reason: reason ?? "The command left no return code" };
  }
  const signalText = returnCode < 0 ? `Ended by ${signalName(-returnCode)}` : null;
  return { isOk: returnCode === 0 && reason === undefined, returnCode, reason: reason ?? signalText };
}

function signalName(number: number): string {
  const entry = Object.entries(constants.signals).find(([, value]) => value === number);
  return entry === undefined ? `signal ${number}` : `signal ${number} (${entry[0]})`;
}
