import type { JobId } from "../core/ids.ts";
import type { Job, Phase, PublicState } from "../core/job.ts";
import type { JobOrigin } from "../core/job_origin.ts";
import type { JsonObject } from "../core/json.ts";

/** What a submission brings along. */
export interface NewJob {
  readonly name: string;
  readonly application: string;
  readonly submitter: string;
  readonly parameters: JsonObject;
  /** Absent: nothing is known. */
  readonly origin?: JobOrigin;
  /** Name of the private upload directory that becomes the job's directory. */
  readonly upload: string;
}

/** What lets a submission that is sent again be known again. */
export interface SubmissionKey {
  /** As the client chose it, printable ASCII, at most 255 characters; unique among the jobs of one submitter. */
  readonly key: string;
  /** Digest of what is submitted, at most 64 characters: one key stands for one content. */
  readonly digest: string;
}

/** The job that was submitted with a key. */
export interface KeyedJob {
  readonly id: JobId;
  readonly application: string;
  readonly digest: string;
  /** Its files are being removed; the key is free again when they are gone. */
  readonly isBeingDeleted: boolean;
}

/** Jobs of a submitter that may be counted: all that are listed, or those that have not come to their end. */
export type JobKind = "stored" | "unfinished";

/** Which jobs are listed. */
export interface JobFilter {
  /** In one of these states; empty means any. */
  readonly states: readonly PublicState[];
  /** Of one of these applications; empty means any. */
  readonly applications: readonly string[];
  /** In the name, whatever the case; empty means any. Of letters beyond ASCII the case may count. */
  readonly name: string;
}

export interface JobListQuery {
  readonly submitter: string;
  readonly limit: number;
  /** How many of the jobs that would be listed are left out first. */
  readonly offset: number;
  /** Only jobs with lower numbers; for reading page after page, however many there are. */
  readonly before?: JobId | undefined;
  readonly filter?: JobFilter;
}

/** Finished jobs of one application, for retention. */
export interface FinishedJobQuery {
  readonly application: string;
  /** Only jobs that finished earlier, in milliseconds since 1970. */
  readonly beforeMs: number;
  readonly limit: number;
  readonly offset: number;
}

/** What retention has to know about a job. */
export interface FinishedJob {
  readonly id: JobId;
  readonly submitter: string;
  readonly finishedOnMs: number;
}

/** One line of a job's history: the phase it reached and when. */
export interface HistoryEntry {
  readonly version: number;
  readonly onMs: number;
  readonly phase: Phase;
  readonly state: PublicState;
  readonly attempt: number;
  readonly reason: string | null;
}

/**
 * The truth about jobs. A resolved write is on disk: it survives a crash of the process and of the machine.
 *
 * Every method throws {@link StoreUnavailableError} when the store cannot be reached.
 */
export interface JobStore {
  /** Random lower-case letters and digits, made once per database; part of every attempt tag. */
  readonly instanceId: string;
  /**
   * Adds a row in phase `accepted`, version 1, with its first line of history. Repeated with the same upload, it finds
   * the job that is there already.
   *
   * One that throws {@link StoreUnavailableError} has added nothing, or what it added is taken back as soon as the
   * store answers, and is not seen before.
   */
  insert(job: NewJob, nowMs: number): Promise<Job>;
  /**
   * The same with a key, which is kept as long as the row.
   *
   * @returns undefined when the submitter has a job with this key already; nothing is written
   */
  insertOnce(job: NewJob, once: SubmissionKey, nowMs: number): Promise<Job | undefined>;
  /** The submitter's job with this key, in whatever phase. */
  keyed(submitter: string, key: string): Promise<KeyedJob | undefined>;
  /** True when a submitter has that many jobs or more; those being deleted do not count. */
  hasAtLeast(submitter: string, kind: JobKind, count: number): Promise<boolean>;
  /** @returns the job in whatever phase, or undefined. */
  get(id: JobId): Promise<Job | undefined>;
  /** Jobs of one submitter, highest id first, without those being deleted; fewer than `limit` only when there are no more. */
  list(query: JobListQuery): Promise<readonly Job[]>;
  /** Jobs whose phase is not `finished`, lowest id first, ids above `after`. For recovery in batches. */
  unfinished(after: JobId, limit: number): Promise<readonly Job[]>;
  /** Finished jobs that match, longest finished first. Rows are not read in full, so damaged ones are among them. */
  finishedBefore(query: FinishedJobQuery): Promise<readonly FinishedJob[]>;
  /** Names of the applications that finished jobs have, configured or not, in any order. */
  finishedApplications(): Promise<readonly string[]>;
  /** Ids above `after` of all jobs in whatever phase, readable or not, lowest first. */
  ids(after: JobId, limit: number): Promise<readonly JobId[]>;
  /**
   * Writes progress, attempt and times when the row still has version `job.version`, appends to the history.
   * Name and the other fields of the identity are left alone. After a {@link StoreUnavailableError} it may be called
   * again with the very same object, and then finds out whether the first call was made after all.
   *
   * @returns the job with its new version
   * @throws {StaleVersionError} when the row is gone or has another version; nothing is written
   */
  save(job: Job, nowMs: number): Promise<Job>;
  /** @returns false when there is no such job. Touches neither version nor history. */
  rename(id: JobId, name: string): Promise<boolean>;
  /** Removes row and history; an absent one is a no-op. */
  remove(id: JobId): Promise<void>;
  /** All lines of a job, oldest first. */
  history(id: JobId): Promise<readonly HistoryEntry[]>;
  /**
   * Resolves when the store answers.
   *
   * @throws {StoreUnavailableError} when it does not, or has not taken what is to be written for some seconds
   */
  ping(): Promise<void>;
  /** Finishes pending writes, then lets go. Idempotent. */
  close(): Promise<void>;
}
