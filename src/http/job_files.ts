import type { FileHandle } from "node:fs/promises";
import type { JobId } from "../core/ids.ts";
import { openInJob } from "./job_path.ts";

/** A regular file of a job, opened for reading. */
export interface JobFile {
  readonly handle: FileHandle;
  /** Relative to the directory of the job, normalised. */
  readonly path: string;
  /** Bytes when it was opened. */
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly modifiedNs: bigint;
  readonly inode: bigint;
}

/**
 * Opens a regular file inside the directory of a job, which may itself be a link. Links are followed as long as they
 * stay inside.
 *
 * @param path relative to the directory of the job
 * @returns undefined when there is no such file, or it lies outside
 */
export async function openJobFile(jobRootDir: string, id: JobId, path: string): Promise<JobFile | undefined> {
  const opened = await openInJob(jobRootDir, id, path);
  if (opened === undefined) return undefined;
  const { handle } = opened;
  try {
    const info = await handle.stat({ bigint: true });
    if (info.isFile()) {
      return { handle, path: opened.path, size: Number(info.size), modifiedNs: info.mtimeNs, inode: info.ino };
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}
