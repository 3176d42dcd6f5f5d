import type { JobId } from "../../src/core/ids.ts";
import {
  type Job,
  type Outcome,
  type Phase,
  PUBLIC_STATES,
  type PublicState,
  publicState,
} from "../../src/core/job.ts";
import type { HistoryEntry } from "../../src/ports/job_store.ts";
import type { Attempt, SimulatedScheduler } from "./simulated_scheduler.ts";

/** What is known of a job from outside the daemon. */
export interface Record {
  readonly id: JobId;
  readonly submitter: string;
  /** True once the user was told that the job is accepted. */
  isAccepted: boolean;
  isDeleteRequested: boolean;
  /** True once the user was told that the job is deleted. */
  isDeleteAnswered: boolean;
  isCancelRequested: boolean;
  /** True once the user was told that the job is going to be `error`. */
  isCancelAnswered: boolean;
  /** Why the job may end in error though its command did not, or did not run. */
  readonly excuses: string[];
  /** Crashes that were planted in its actor. */
  crashes: number;
  readonly attempts: Attempt[];
  outcome: Outcome | undefined;
  /** The furthest state that its user was told. */
  observed: PublicState | undefined;
}

/** Phases in which the scheduler may have something of the job that has not ended. */
const LIVE: ReadonlySet<Phase> = new Set(["submitting", "queued", "running", "cancelling"]);

/**
 * Watches over the promise: every accepted job ends in exactly one of ok or error, its states only ever move forward,
 * its command is never run twice, and nothing lives that is believed dead. What is broken is noted at once, as a throw
 * would end in the actor that happens to be the caller.
 */
export class PromiseKeeper {
  readonly records = new Map<JobId, Record>();
  readonly violations: string[] = [];
  /** Phases that jobs were in, and how they ended. */
  readonly met = new Set<string>();
  readonly #rowOf: (id: JobId) => Job | undefined;
  readonly #mayRunTooLong: boolean;

  constructor(rowOf: (id: JobId) => Job | undefined, mayRunTooLong: boolean) {
    this.#rowOf = rowOf;
    this.#mayRunTooLong = mayRunTooLong;
  }

  /** Notes a fault that ends a job for good, whatever its command does. */
  excuse(id: JobId, reason: string): void {
    this.records.get(id)?.excuses.push(reason);
  }

  /** Whether a daemon may still ask the scheduler for a job. */
  isAskedFor(id: JobId): boolean {
    const row = this.#rowOf(id);
    return row !== undefined && row.progress.phase !== "finished";
  }

  committed(before: Job | undefined, after: Job | undefined): void {
    if (after === undefined) {
      if (before !== undefined) this.#removed(before);
      return;
    }
    this.met.add(after.progress.phase);
    if (before === undefined) {
      this.records.set(after.id, newRecord(after));
      return;
    }
    const [from, to] = [publicState(before.progress), publicState(after.progress)];
    this.#check(isForward(from, to), after.id, `went from ${from} back to ${to}`);
    const { phase } = after.progress;
    if (!LIVE.has(phase)) this.#checkNothingLives(after.id, `was saved as ${phase}`);
    if (phase === "finished") this.#finished(after, after.progress.outcome);
  }

  attemptAccepted(attempt: Attempt, scheduler: SimulatedScheduler): void {
    const { capacity, name } = scheduler.plan;
    this.#check(scheduler.living <= capacity, attempt.job, `is one too many for the ${capacity} slots of ${name}`);
    const record = this.records.get(attempt.job);
    this.#check(record?.attempts.every(({ state }) => state === "ended") ?? true, attempt.job, "has two submissions");
    record?.attempts.push(attempt);
    this.#checkMayLive(attempt, "was submitted");
  }

  commandStarted(attempt: Attempt): void {
    this.#checkMayLive(attempt, "had its command started");
    const record = this.records.get(attempt.job);
    if (record === undefined) return;
    const others = record.attempts.filter((other) => other !== attempt);
    const isRerun = others.every(({ state, isInterrupted }) => state === "ended" && isInterrupted);
    if (others.length > 0) this.met.add("rerun");
    if (this.#mayRunTooLong) this.excuse(record.id, "ran too long");
    this.#check(isRerun, record.id, `had its command started once more as ${attempt.tag}`);
  }

  attemptEnded(attempt: Attempt, outcome: Outcome, wasCancelled: boolean): void {
    const record = this.records.get(attempt.job);
    if (record === undefined) return;
    const isWanted = record.isCancelRequested || record.isDeleteRequested || record.excuses.some(isAnEnd);
    this.#check(isWanted || !wasCancelled, record.id, "had its command ended, though nobody wanted that");
    record.outcome = outcome;
  }

  directoryRemoved(id: JobId, path: string): void {
    const living = this.records
      .get(id)
      ?.attempts.filter(({ state, directory }) => state !== "ended" && directory === path);
    this.#check((living?.length ?? 0) === 0, id, `lost ${path} while its command lives`);
  }

  /** The janitor took a directory for one of no job. */
  directorySetAside(id: JobId): void {
    this.#check(this.#rowOf(id) === undefined, id, "lost its directory to the janitor");
  }

  /** The janitor took the record of an attempt for one that nobody asks for. */
  recordDropped({ job, state }: Attempt): void {
    this.#check(state === "ended" && !this.isAskedFor(job), job, "lost its record to the janitor");
  }

  /** Told to a user by a call that began when the user knew `known`. */
  observed(job: Job, known: PublicState | undefined, wasDeleted: boolean): void {
    const record = this.records.get(job.id);
    if (record === undefined) return;
    const state = publicState(job.progress);
    this.#check(!wasDeleted, job.id, `was shown as ${state} to its user after it was deleted`);
    this.#check(known === undefined || isForward(known, state), job.id, `was shown as ${state} after ${known}`);
    if (record.observed === undefined || isForward(record.observed, state)) record.observed = state;
  }

  /** The steps of a job so far, as told to a user. */
  told(id: JobId, steps: readonly HistoryEntry[]): void {
    for (const [index, { state, version }] of steps.entries()) {
      const before = steps[index - 1];
      const follows = before === undefined || (isForward(before.state, state) && version === before.version + 1);
      this.#check(follows, id, `has ${state} after ${before?.state} in its history`);
    }
  }

  /** A user was told that there is no such job. */
  missed(id: JobId): void {
    const record = this.records.get(id);
    this.#check(record === undefined || record.isDeleteRequested, id, "was not found by its user");
  }

  /** Once the trouble is over: where each job has to be. */
  checkEnds(): void {
    for (const record of this.records.values()) {
      const row = this.#rowOf(record.id);
      if (row === undefined) {
        this.#check(record.isDeleteRequested || !record.isAccepted, record.id, "is gone, but nobody deleted it");
        continue;
      }
      this.#check(row.progress.phase === "finished", record.id, `is left in phase ${row.progress.phase}`);
      this.#check(!record.isDeleteAnswered, record.id, "is still there, but its user was told that it is deleted");
    }
  }

  /** A crash was planted in the actor of a job. */
  crashed(id: JobId): void {
    const record = this.records.get(id);
    if (record !== undefined) record.crashes += 1;
  }

  /** The actor of a job was given up after too many crashes. */
  gaveUp(id: JobId): void {
    const crashes = this.records.get(id)?.crashes ?? 0;
    this.#check(crashes > 0, id, "was given up, but nobody made its actor crash");
    this.excuse(id, "given up");
  }

  /** Whether a directory is of a job that was given up: a copy that was under way then may be left. */
  wasGivenUp(path: string): boolean {
    const id = Number(path.slice(path.lastIndexOf("/") + 1)) as JobId;
    return this.records.get(id)?.excuses.includes("given up") ?? false;
  }

  note(violation: string): void {
    this.violations.push(violation);
  }

  #removed(before: Job): void {
    const record = this.records.get(before.id);
    this.met.add("removed");
    this.#checkNothingLives(before.id, "was removed");
    if (record === undefined || !record.isAccepted) return;
    this.#check(record.isDeleteRequested, before.id, "was removed, but nobody deleted it");
    this.#check(before.progress.phase === "deleting", before.id, `was removed in phase ${before.progress.phase}`);
  }

  #finished({ id }: Job, outcome: Outcome): void {
    const record = this.records.get(id);
    if (record === undefined) return;
    this.met.add(outcome.isOk ? "ok" : "error");
    this.#check(!record.isCancelAnswered || !outcome.isOk, id, "is ok, but its user was told that it is cancelled");
    const isExcused = record.excuses.length > 0 || record.isCancelRequested || !record.isAccepted;
    if (isExcused && !outcome.isOk) return;
    const text = JSON.stringify(outcome);
    if (record.outcome === undefined) {
      this.#check(false, id, `ended with ${text}, but no command ran`);
    } else {
      const is = JSON.stringify(record.outcome);
      this.#check(isSame(record.outcome, outcome), id, `ended with ${text}, but its command with ${is}`);
    }
  }

  #checkMayLive(attempt: Attempt, what: string): void {
    const phase = this.#rowOf(attempt.job)?.progress.phase;
    this.#check(phase !== undefined && LIVE.has(phase), attempt.job, `${what} while it is ${phase ?? "gone"}`);
  }

  #checkNothingLives(id: JobId, what: string): void {
    const living = this.records.get(id)?.attempts.find(({ state }) => state !== "ended");
    this.#check(living === undefined, id, `${what} while ${living?.tag} is ${living?.state}`);
  }

  #check(isKept: boolean, id: JobId, violation: string): void {
    if (!isKept) this.note(`job ${id} ${violation}`);
  }
}

function newRecord({ id, submitter }: Job): Record {
  return {
    id,
    submitter,
    isAccepted: false,
    isDeleteRequested: false,
    isDeleteAnswered: false,
    isCancelRequested: false,
    isCancelAnswered: false,
    excuses: [],
    crashes: 0,
    attempts: [],
    outcome: undefined,
    observed: undefined,
  };
}

/** Whether Bartender has reason to end a command by itself. */
function isAnEnd(excuse: string): boolean {
  return excuse === "given up" || excuse === "ran too long";
}

function isForward(from: PublicState, to: PublicState): boolean {
  if (from === "ok" || from === "error") return to === from;
  return PUBLIC_STATES.indexOf(to) >= PUBLIC_STATES.indexOf(from);
}

/** The reason may go on about the attempts. */
function isSame(is: Outcome, told: Outcome): boolean {
  const isReason = told.reason === is.reason || (is.reason !== null && told.reason?.startsWith(`${is.reason} (`));
  return is.isOk === told.isOk && is.returnCode === told.returnCode && isReason === true;
}
