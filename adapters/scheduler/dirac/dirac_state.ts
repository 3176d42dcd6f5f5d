import { tellsOfNoAnswer } from "../../dirac/dirac_answer.ts";

/** What a status of DIRAC means for a job; `unknown` says nothing. */
export type DiracMeaning = "queued" | "running" | "ended" | "unknown";

/** One job as DIRAC shows it. */
export interface DiracJobState {
  readonly number: number;
  readonly status: string;
  readonly minorStatus: string;
  /** Free text, by DIRAC or by the job; `Unknown` when nobody has set it. */
  readonly applicationStatus: string;
}

/** `JobStatus` of DIRAC 8. */
const MEANINGS: Readonly<Record<string, DiracMeaning>> = {
  Submitting: "queued",
  Received: "queued",
  Checking: "queued",
  Staging: "queued",
  Scouting: "queued",
  Waiting: "queued",
  Matched: "queued",
  Rescheduled: "queued",
  Running: "running",
  Stalled: "running",
  Completing: "running",
  Done: "ended",
  Completed: "ended",
  Failed: "ended",
  Deleted: "ended",
  Killed: "ended",
};

/** Ended at once by whoever asked for it, while the job may go on until its wrapper hears of it. */
const ENDED_BY_REQUEST = new Set(["Killed", "Deleted"]);

/** The pilot of a job is known to be gone, and everything of the job with it. */
const PILOT_IS_GONE = "Job stalled: pilot not running";

/** Minor statuses by which the wrapper of a job says that its command has ended, `JobMinorStatus` of DIRAC 8. */
const AFTER_THE_COMMAND = new Set([
  "Received Kill signal",
  "Application Finished Successfully",
  "Application Finished With Errors",
  "Application thread failed",
  "Exception During Execution",
  "Uploading Output Sandbox",
  "Output Sandbox Uploaded",
  "Uploading Output Data",
  "Output Data Uploaded",
  "Uploading Outputs",
  "Execution Complete",
  "Pending Requests",
  "Requests done",
  "Failed sending requests",
  PILOT_IS_GONE,
]);

export function meaningOf(status: string): DiracMeaning {
  return MEANINGS[status] ?? "unknown";
}

/** True for a status that counts as good when nothing else is known of the job. */
export function isGood(status: string): boolean {
  return status === "Done" || status === "Completed";
}

/** True when somebody asked DIRAC to end the job. */
export function isEndedByRequest({ status }: DiracJobState): boolean {
  return ENDED_BY_REQUEST.has(status);
}

/** True when the job was ended by request, and its wrapper has not said yet that it has obeyed. */
export function mayStillRun(state: DiracJobState): boolean {
  return isEndedByRequest(state) && !AFTER_THE_COMMAND.has(state.minorStatus);
}

/**
 * True when the command was lost with its machine and nothing of it is left, or when the optimizers, which prepare jobs
 * for the queue, did not reach one of DIRAC's services: they fail such a job before any node gets it.
 */
export function isInterruption({ status, minorStatus, applicationStatus }: DiracJobState): boolean {
  if (status !== "Failed") return false;
  return minorStatus === PILOT_IS_GONE || (/ optimizer$/.test(minorStatus) && tellsOfNoAnswer(applicationStatus));
}

/** Why DIRAC does not start a job, for people; undefined when it only waits for its turn. */
export function noteOf(state: DiracJobState): string | undefined {
  return state.status === "Staging" || isTold(state.applicationStatus) ? described(state) : undefined;
}

/** A state in DIRAC's words, e.g. `DIRAC: Failed (Input Data Not Available)`. */
export function described({ status, minorStatus, applicationStatus }: DiracJobState): string {
  const details = [minorStatus, applicationStatus].filter(isTold);
  return `DIRAC: ${status}${details.length === 0 ? "" : ` (${details.join("; ")})`}`;
}

function isTold(text: string): boolean {
  return text !== "" && text !== "Unknown" && text !== "unknown";
}
