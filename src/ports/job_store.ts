import type { JobId } from "../core/ids.ts";
import type { Job, Phase, PublicState } from "../core/job.ts";
import type { JsonObject } from "../core/json.ts";

/** What a submission brings along. */
export interface NewJob {
  readonly name: string;
  readonly application: string;
  readonly submitter: string;
  readonly parameters: JsonObject;
  /** Name of the private upload directory that becomes the job's directory. */
  readonly upload: string;
}

export interface JobListQuery {
  readonly submitter: string;
  readonly limit: number;
  readonly offset: number;
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
  /** Adds a row in phase `accepted`, version 1, with its first line of history. */
  insert(job: NewJob, nowMs: number): Promise<Job>;
  /** @returns the job in whatever phase, or undefined. */
  get(id: JobId): Promise<Job | undefined>;
  /** Jobs of one submitter, highest id first, without those being deleted. */
  list(query: JobListQuery): Promise<readonly Job[]>;
  /** Jobs whose phase is not `finished`, lowest id first, ids above `after`. For recovery in batches. */
  unfinished(after: JobId, limit: number): Promise<readonly Job[]>;
  /**
   * Writes progress, attempt and times when the row still has version `job.version`, appends to the history.
   * Name and the other fields of the identity are left alone.
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
  /** Resolves when the store answers. */
  ping(): Promise<void>;
  /** Finishes pending writes, then lets go. Idempotent. */
  close(): Promise<void>;
}
