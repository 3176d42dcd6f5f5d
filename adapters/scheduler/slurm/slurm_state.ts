import type { Outcome } from "../../../src/core/job.ts";
import { outcomeOf } from "../outcome_of.ts";

/** What a state of Slurm means for a job; `unknown` says nothing. */
export type SlurmMeaning = "queued" | "running" | "ended" | "unknown";

/** States of squeue(1) and sacct(1), sections "JOB STATE CODES". */
const MEANINGS: Readonly<Record<string, SlurmMeaning>> = {
  PENDING: "queued",
  CONFIGURING: "queued",
  REQUEUED: "queued",
  REQUEUE_FED: "queued",
  REQUEUE_HOLD: "queued",
  RESV_DEL_HOLD: "queued",
  RUNNING: "running",
  SUSPENDED: "running",
  COMPLETING: "running",
  STAGE_OUT: "running",
  SIGNALING: "running",
  RESIZING: "running",
  STOPPED: "running",
  COMPLETED: "ended",
  FAILED: "ended",
  CANCELLED: "ended",
  TIMEOUT: "ended",
  OUT_OF_MEMORY: "ended",
  NODE_FAIL: "ended",
  BOOT_FAIL: "ended",
  DEADLINE: "ended",
  PREEMPTED: "ended",
  REVOKED: "ended",
  SPECIAL_EXIT: "ended",
};

/** What the states say to people in which Slurm ended a job itself. */
const ENDED_BY_SLURM: Readonly<Record<string, string>> = {
  CANCELLED: "the job was cancelled in Slurm",
  TIMEOUT: "the job ran into its time limit",
  OUT_OF_MEMORY: "the job used more memory than it was given",
  NODE_FAIL: "a node of the job failed",
  BOOT_FAIL: "a node of the job could not be started",
  DEADLINE: "the job could not end before its deadline",
  PREEMPTED: "the job had to make room for another",
  REVOKED: "the job was taken over by another cluster",
  SPECIAL_EXIT: "the job was put aside after it had ended",
};

/**
 * Not the job's fault, and nothing of it is left running. A failed node is not among them: its processes may live on
 * where only the connection to it was lost.
 */
const INTERRUPTIONS = new Set(["BOOT_FAIL", "PREEMPTED"]);

/** The name of a state without what may follow it: `CANCELLED by 1000`, `CANCELLED+`. */
export function slurmStateName(text: string): string {
  return /^[A-Z_]+/.exec(text.trim())?.[0] ?? "";
}

/** @param state as {@link slurmStateName} answers */
export function meaningOf(state: string): SlurmMeaning {
  return MEANINGS[state] ?? "unknown";
}

/** What Slurm says of jobs that only wait for their turn, see squeue(1), section "JOB REASON CODES". */
const MATTERS_OF_TURN = new Set(["", "None", "Priority", "Resources", "BeginTime", "Dependency", "Prolog", "Cleaning"]);

/** @returns why a waiting job does not start, for people; undefined when it only waits for its turn */
export function noteOf(state: string, detail: string): string | undefined {
  return MATTERS_OF_TURN.has(detail) ? undefined : `Slurm: ${state} (${detail})`;
}

/** True when Slurm holds a job back that has ended, until somebody wants it to run again. */
export function isPutAside(state: string): boolean {
  return state === "SPECIAL_EXIT";
}

/** True when Slurm ends the processes of a job that gets into this state. */
export function isEndedBySlurm(state: string): boolean {
  return state in ENDED_BY_SLURM;
}

export function isInterruption(state: string): boolean {
  return INTERRUPTIONS.has(state);
}

/**
 * How a job ended.
 *
 * @param state one that means "ended"
 * @param detail Slurm's own reason, e.g. `JobLaunchFailure`; empty or `None` when there is none
 * @param returnCode as the script of the job wrote it down
 * @param isTerminated Slurm told the script to end while its command ran. That may end well when only the program that it
 *   waited for got the signal, or when it handled that.
 */
export function outcomeInState(
  state: string,
  detail: string,
  returnCode: number | undefined,
  isTerminated = false,
): Outcome {
  const text = ENDED_BY_SLURM[state];
  // A command that has written a good end before Slurm ended the job, or believed so after a power cut, has done its work.
  if (returnCode === 0 && !isTerminated) return outcomeOf(0);
  if (text !== undefined) return outcomeOf(returnCode, `Slurm: ${state}, ${text}`);
  if (returnCode !== undefined) return outcomeOf(returnCode);
  const isMute = detail === "" || detail === "None" || detail === "NonZeroExitCode";
  return outcomeOf(undefined, `Slurm: ${state}${isMute ? "" : ` (${detail})`}, and the command left no return code`);
}
