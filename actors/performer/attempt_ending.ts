import { BartenderError } from "../../src/core/errors.ts";
import type { AttemptEnd } from "../../src/ports/attempt_queue.ts";

/** Why an attempt is being ended by us. */
export type Ending =
  | { readonly type: "cancelled" }
  | { readonly type: "interrupted"; readonly reason: string }
  | { readonly type: "lost" };

/** True when the same may succeed later. */
export function isPassing(error: unknown): boolean {
  return error instanceof BartenderError && error.retryable;
}

/** What is told about the end; undefined when nobody wants to hear of it. */
export function endOf(end: AttemptEnd | undefined, ending: Ending | undefined): AttemptEnd | undefined {
  if (end === undefined || ending?.type === "lost") return undefined;
  // A command that was quicker than its end has simply ended.
  if (ending?.type !== "interrupted" || end.outcome.isOk) return end;
  const { returnCode } = end.outcome;
  if (returnCode !== null && returnCode >= 0) return end;
  return { ...end, outcome: { ...end.outcome, reason: ending.reason }, isInterrupted: true };
}
