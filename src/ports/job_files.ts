import type { JobId } from "../core/ids.ts";
import type { JobInput } from "../core/job_origin.ts";

/** The directories of jobs on the daemon's own disk. Every method may be repeated. */
export interface JobFiles {
  /** Where the files of a job are; absolute. Pure. */
  directory(id: JobId): string;
  /**
   * Makes an upload the directory of a job, in one step. Done already: no-op.
   *
   * @throws {JobDirectoryTakenError} when the directory exists already beside the upload
   * @throws {JobDirectoryError} when neither exists
   */
  adopt(upload: string, id: JobId): Promise<void>;
  /** Removes an upload that did not become a job; an absent one is a no-op. */
  discard(upload: string): Promise<void>;
  /**
   * Appends why the job failed to its `stderr.txt`, once; makes both log files where they are missing.
   *
   * @throws {TransferError} retryable when the disk is full
   */
  appendReason(id: JobId, reason: string): Promise<void>;
  /** Removes the directory of a job with all below; of a linked one only the link. Absent: no-op. */
  remove(id: JobId): Promise<void>;
}

/** What jobs were given, as far as their commands have left it. */
export interface JobInputs {
  /** True when every file is there as it was; false also for a linked directory. */
  hasInput(id: JobId, input: JobInput): Promise<boolean>;
  /**
   * Copies these files, and nothing that the command wrote, into an upload for another job.
   *
   * @returns the name of the upload; undefined, and nothing is left, when {@link hasInput} is false
   * @throws {TransferError} retryable when the disk is full
   */
  copyInput(id: JobId, input: JobInput): Promise<string | undefined>;
}
