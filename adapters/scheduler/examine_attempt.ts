import { constants } from "node:os";
import type { SchedulerStatus } from "../../src/core/job.ts";
import type { AttemptFiles } from "./attempt_files.ts";
import { outcomeOf } from "./outcome_of.ts";
import type { ProcessEntry, ProcessTable } from "./process_table.ts";

/** What record and processes of an attempt say about it. */
export type Examination =
  | { readonly type: "ended"; readonly status: SchedulerStatus }
  /** Processes are there, but the record does not yet say whose. */
  | { readonly type: "starting" }
  | {
      readonly type: "running";
      readonly script: ProcessEntry;
      readonly directory: string;
      readonly reason: string | undefined;
    }
  /** The script is gone without a word and left other processes behind. */
  | {
      readonly type: "abandoned";
      readonly pid: number;
      readonly directory: string;
      readonly reason: string;
      /** True when nobody meant to end it. */
      readonly isInterrupted: boolean;
    };

/**
 * Looks at an attempt that nobody watches, e.g. that of an earlier daemon.
 *
 * @param pidSeenAlive of its script, when it lived a moment ago, so that the number cannot be a stranger's by now
 * @returns undefined when it never began
 */
export function examineAttempt(
  files: AttemptFiles,
  table: ProcessTable,
  tag: string,
  pidSeenAlive?: number,
): Examination | undefined {
  const before = files.read(tag);
  if (before === undefined) {
    return undefined;
  }
  const { claim } = before;
  const isOfEarlierBoot = claim !== undefined && claim.bootId !== table.bootId;
  if (before.returnCode !== undefined && before.reason === undefined) {
    // Nobody took note of this end before the machine went down, whose shutdown ends commands by these signals.
    return isOfEarlierBoot && SHUTDOWN_CODES.includes(before.returnCode)
      ? interrupted(before.returnCode, REBOOTED)
      : ended(before.returnCode);
  }
  if (isOfEarlierBoot) {
    return before.reason === undefined ? interrupted(undefined, REBOOTED) : ended(before.returnCode, before.reason);
  }
  const script = claim === undefined ? undefined : table.read(claim.pid);
  if (claim !== undefined && script !== undefined && table.isMarked(script.pid, tag)) {
    return { type: "running", script, directory: claim.directory, reason: before.reason };
  }
  // What has just ended wrote the last line of its record after we read it.
  const { reason, returnCode, notice } = files.read(tag) ?? before;
  if (returnCode !== undefined && reason === undefined) {
    return ended(returnCode);
  }
  const isInterrupted = reason === undefined && notice === undefined;
  const why = reason ?? (notice === undefined ? VANISHED : `The command left no return code: ${notice}`);
  if (!table.isAnyLiving(claim?.pid, claim?.pid === pidSeenAlive, tag)) {
    return isInterrupted ? interrupted(returnCode, why) : ended(returnCode, why);
  }
  return claim === undefined
    ? { type: "starting" }
    : { type: "abandoned", pid: claim.pid, directory: claim.directory, reason: why, isInterrupted };
}

/** Why a command has no return code whose machine was restarted. */
export const REBOOTED = "The command was interrupted: the machine was restarted";
const VANISHED = "The command was interrupted: its process is gone and left no return code";

/** What the shutdown of a machine does to those who do not end by themselves. */
const SHUTDOWN_CODES: readonly number[] = [-constants.signals.SIGTERM, -constants.signals.SIGKILL];

function interrupted(returnCode: number | undefined, reason: string): Examination {
  return { type: "ended", status: { type: "ended", outcome: outcomeOf(returnCode, reason), isInterrupted: true } };
}

function ended(returnCode: number | undefined, reason?: string): Examination {
  return { type: "ended", status: { type: "ended", outcome: outcomeOf(returnCode, reason) } };
}
