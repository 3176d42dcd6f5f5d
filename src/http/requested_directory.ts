import { constants } from "node:fs";
import type { JobId } from "../core/ids.ts";
import { type OpenDirectory, openDirectory } from "../files/open_directory.ts";
import { openInJob } from "./job_path.ts";

/** A directory of a job that a request names, and the way back to the directory of that job. */
export interface RequestedDirectory {
  readonly directory: OpenDirectory;
  /** Relative to the directory of the job, normalised; empty for that directory itself. */
  readonly path: string;
  /** Where the directory of the job really is. */
  readonly jobDir: string;
}

/** @returns undefined when there is no such directory, or it lies outside; see {@link openInJob} */
export async function openRequestedDirectory(
  jobRootDir: string,
  id: JobId,
  path: string,
): Promise<RequestedDirectory | undefined> {
  const opened = await openInJob(jobRootDir, id, path, constants.O_DIRECTORY);
  if (opened === undefined) return undefined;
  try {
    // Opened once more, as a number that outlives the handle.
    const directory = openDirectory(`/proc/self/fd/${opened.handle.fd}`, 0);
    return { directory, path: opened.path, jobDir: opened.jobDir };
  } finally {
    await opened.handle.close();
  }
}
