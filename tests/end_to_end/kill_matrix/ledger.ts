import { parseAttemptTag } from "../../../src/core/ids.ts";

/** A line that a command wrote. */
export interface LedgerLine {
  readonly what: "start" | "end";
  readonly tag: string;
  readonly job: number;
  readonly attempt: number;
  /** Process id at the start, exit status at the end. */
  readonly number: number;
}

export function readLedger(text: string): readonly LedgerLine[] {
  return text.split("\n").flatMap((line) => {
    const [what, tag = "", number] = line.split(" ");
    const attempt = parseAttemptTag(tag);
    if ((what !== "start" && what !== "end") || attempt === undefined) return [];
    return [{ what, tag, job: attempt.id, attempt: attempt.attempt, number: Number(number) }];
  });
}

/** The most commands that were alive at one moment. */
export function mostAlive(ledger: readonly LedgerLine[]): number {
  let [alive, most] = [0, 0];
  for (const { what } of ledger) {
    alive += what === "start" ? 1 : -1;
    most = Math.max(most, alive);
  }
  return most;
}
