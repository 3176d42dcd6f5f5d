import type { JobId } from "../core/ids.ts";

/** The directories of jobs on the daemon's own disk. Every method may be repeated. */
export interface JobFiles {
  /** Where the files of a job are; absolute. Pure. */
  directory(id: JobId): string;
  /**
   * Makes an upload the directory of a job, in one step. Done already: no-op.
   *
   * @throws {JobDirectoryError} when the directory exists already beside the upload, or neither exists
   */
  adopt(upload: string, id: JobId): Promise<void>;
  /** Removes an upload that did not become a job; an absent one is a no-op. */
  discard(upload: string): Promise<void>;
  /** Removes uploads of an earlier daemon that were never accepted: all but `accepted`. @returns how many it removed. */
  sweepUploads(accepted: ReadonlySet<string>): Promise<number>;
  /** Appends why the job failed to its `stderr.txt`, once; makes both log files where they are missing. */
  appendReason(id: JobId, reason: string): Promise<void>;
  /** Removes the directory of a job with all below; of a linked one only the link. Absent: no-op. */
  remove(id: JobId): Promise<void>;
}
