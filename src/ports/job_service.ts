import type { JobId } from "../core/ids.ts";
import type { Job } from "../core/job.ts";
import type { NewJob } from "./job_store.ts";

/** Answer to a request to delete a job. */
export type DeleteResult =
  /** Removal is recorded; it has ended or goes on by itself, and the job is hidden from now on. */
  | "deleted"
  | "not_found"
  /** Files are being copied to or from the destination. */
  | "in_transit";

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
  get(id: JobId, submitter: string): Promise<Job | undefined>;
  /** Highest id first. */
  list(submitter: string, limit: number, offset: number): Promise<readonly Job[]>;
  /** @returns false when the submitter has no such job. */
  rename(id: JobId, submitter: string, name: string): Promise<boolean>;
  /** Ends what runs, proves that it ended, removes files and row. */
  remove(id: JobId, submitter: string): Promise<DeleteResult>;
  /** Resolves when the store answers. */
  ping(): Promise<void>;
}
