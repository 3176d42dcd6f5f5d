import type { JobId } from "../core/ids.ts";
import type { Job } from "../core/job.ts";
import type { FilePart } from "./file_system.ts";
import type { HistoryEntry, JobKind, JobListQuery, KeyedJob, NewJob, SubmissionKey } from "./job_store.ts";

/** Answer to a request to delete a job. */
export type DeleteResult =
  /** Removal is recorded; it has ended or goes on by itself, and the job is hidden from now on. */
  | "deleted"
  | "not_found"
  /** Files are being copied to or from the destination. */
  | "in_transit";

/** What became of a submission with a key: a job, or nothing because there is one with this key already. */
export type SubmittedOnce =
  | { readonly type: "submitted"; readonly job: Job }
  | { readonly type: "known"; readonly earlier: KeyedJob };

/** A job with what is known about it at this moment beside what is saved. */
export interface JobView {
  readonly job: Job;
  /** Why it failed or is being ended, or what it waits for, for people; null when there is nothing to tell. */
  readonly reason: string | null;
  /** Its place in the queue for a run slot, 1 is next; null when it does not wait for one, or nobody can tell now. */
  readonly queuePosition: number | null;
}

/** Answer to a request to cancel a job. */
export type CancelResult =
  /** The wish is saved, now or by an earlier request: the job is going to be `error`. `job` is what is saved. */
  | { readonly type: "cancelling"; readonly job: Job }
  | { readonly type: "not_found" }
  /** The job is `ok` or `error` already. */
  | { readonly type: "finished" }
  /** The command has ended, or cannot run any more; the job is about to finish. */
  | { readonly type: "past_command" };

/** The files into which a command prints. */
export type LogName = "stdout.txt" | "stderr.txt";

/** The logs of a running command that are not in the job's own directory. */
export interface RemoteLog {
  /**
   * @param fromByte a negative one counts from the end
   * @returns undefined when there is nothing yet
   * @throws {TransferError} when the destination does not answer
   */
  read(name: LogName, fromByte: number, maxBytes: number, signal: AbortSignal): Promise<FilePart | undefined>;
}

/**
 * What the edges may ask of the daemon. A job of somebody else does not exist: methods that take a
 * `submitter` answer as for an unknown id.
 *
 * Every method throws {@link StoreUnavailableError} when the store cannot be reached.
 */
export interface JobService {
  /** Below this directory every job has its own, named by its id; absolute. */
  readonly jobRootDir: string;
  /** Private directory on the same file system in which uploads are received and unpacked; absolute. */
  readonly uploadDir: string;
  /**
   * Saves the job, moves `<uploadDir>/<job.upload>` in place and starts its actor. When it throws, neither row
   * nor job directory is left; the upload is still the caller's to remove.
   *
   * @throws {JobDirectoryError} when the directory of the new job cannot be made
   * @throws {BusyError} when the daemon has no room for another job right now
   */
  submit(job: NewJob): Promise<Job>;
  /**
   * The same, at most once for each submitter and key, however often and by however many requests it is tried.
   * The upload of a known submission is the caller's to remove.
   */
  submitOnce(job: NewJob, once: SubmissionKey): Promise<SubmittedOnce>;
  /**
   * Looks whether a new job would go to a destination that does not answer and takes no jobs then.
   *
   * @param upload private directory in {@link JobService.uploadDir} with the unpacked files; undefined: none yet
   * @throws {DestinationAwayError} as soon as that is known
   */
  checkDestination(application: string, submitter: string, upload: string | undefined): Promise<void>;
  /** The submitter's job with this key. */
  keyed(submitter: string, key: string): Promise<KeyedJob | undefined>;
  /** True when a submitter has that many jobs or more. */
  hasAtLeast(submitter: string, kind: JobKind, count: number): Promise<boolean>;
  get(id: JobId, submitter: string): Promise<Job | undefined>;
  /** What is known about each of `jobs` at this moment, in the same order; takes a fraction of a second at most. */
  describe(jobs: readonly Job[]): Promise<readonly JobView[]>;
  /** Highest id first. */
  list(query: JobListQuery): Promise<readonly Job[]>;
  /** @returns false when the submitter has no such job. */
  rename(id: JobId, submitter: string, name: string): Promise<boolean>;
  /**
   * Ends what runs and proves that it ended; the job stays as `error` with the reason, also its files. Answers as soon
   * as the wish is saved.
   *
   * @param by who wants it, for people; default: the submitter
   */
  cancel(id: JobId, submitter: string, by?: string): Promise<CancelResult>;
  /** Ends what runs, proves that it ended, removes files and row. @param by as for {@link cancel} */
  remove(id: JobId, submitter: string, by?: string): Promise<DeleteResult>;
  /** All steps of a job so far, oldest first; undefined when the submitter has no such job. */
  history(id: JobId, submitter: string): Promise<readonly HistoryEntry[] | undefined>;
  /**
   * Calls `wake`, which must not throw, soon after each saved step of a job and after its removal; sometimes also
   * without either. It tells nothing: what happened is in the store.
   *
   * @returns a function that ends it; calling it again does nothing
   */
  watch(id: JobId, wake: () => void): () => void;
  /** What the command of a job prints, where its destination keeps it elsewhere for now; else undefined. */
  remoteLog(job: Job): RemoteLog | undefined;
  /** Resolves when the store answers. */
  ping(): Promise<void>;
}
