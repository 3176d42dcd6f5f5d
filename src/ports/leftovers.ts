import type { JobId } from "../core/ids.ts";

/** Something on the daemon's own disk that may have nobody left who needs it. */
export type Leftover =
  /** A private upload. */
  | { readonly kind: "upload"; readonly name: string }
  /** The directory of a job, or a link in its place. */
  | { readonly kind: "directory"; readonly id: JobId }
  /** Output of a job that was being copied back. */
  | { readonly kind: "incoming"; readonly id: JobId }
  /** A job directory that was set aside. */
  | { readonly kind: "orphan"; readonly name: string }
  /** The record of one attempt to run a job on this machine. */
  | { readonly kind: "record"; readonly tag: string };

/**
 * What is on the disk below the job root, for those who clean up. Tells what is there, not whether it is needed.
 *
 * Every method may be repeated; what is gone meanwhile is no fault.
 */
export interface Leftovers {
  /** Name of the database that the job root is used with; undefined before {@link Leftovers.setOwner}. */
  owner(): Promise<string | undefined>;
  setOwner(instanceId: string): Promise<void>;
  /** Names of all private uploads, also of those that are being received. */
  uploads(): Promise<readonly string[]>;
  /** Numbers of all job directories, ascending. Whatever is not named by a plain number is no job directory. */
  directories(): Promise<readonly JobId[]>;
  /** Numbers of the jobs whose output is being copied back or was. */
  incoming(): Promise<readonly JobId[]>;
  /** Names of the directories that were set aside. */
  orphans(): Promise<readonly string[]>;
  /** Tags of all records. */
  records(): Promise<readonly string[]>;
  /**
   * When it was last changed, moved or renamed, in milliseconds since 1970; nobody can set that back. What lies deeper
   * in a directory does not count.
   *
   * @returns undefined when it is not there
   */
  changedOnMs(leftover: Leftover): Promise<number | undefined>;
  /** Bytes of all files in it. */
  bytes(leftover: Leftover): Promise<number>;
  /** Removes it. The directory of a job is only set aside, so that a mistake can be undone; a link is unlinked. */
  remove(leftover: Leftover): Promise<void>;
}
