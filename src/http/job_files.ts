import { constants } from "node:fs";
import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import type { JobId } from "../core/ids.ts";

/** A regular file of a job, opened for reading. */
export interface JobFile {
  readonly handle: FileHandle;
  /** Bytes when it was opened. */
  readonly size: number;
}

/**
 * Opens a regular file inside the directory of a job, which may itself be a link. Links are followed as long as they
 * stay inside.
 *
 * What was opened is checked after opening: a link that is swapped meanwhile gains nothing. Nothing blocks on a
 * FIFO or reads from a device.
 *
 * @param path relative to the directory of the job
 * @returns undefined when there is no such file, or it lies outside
 */
export async function openJobFile(jobRootDir: string, id: JobId, path: string): Promise<JobFile | undefined> {
  const requested = join(jobRootDir, String(id), path);
  const handle = await open(requested, constants.O_RDONLY | constants.O_NONBLOCK).catch(undefinedWhenAbsent);
  if (handle === undefined) return undefined;
  try {
    const size = await sizeWhenInside(handle, join(jobRootDir, String(id)), requested);
    if (size !== undefined) return { handle, size };
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

async function sizeWhenInside(handle: FileHandle, directory: string, requested: string): Promise<number | undefined> {
  const opened = await handle.stat();
  if (!opened.isFile()) return undefined;
  const [inside, real] = await Promise.all([
    realpath(directory).catch(undefinedWhenAbsent),
    realpath(requested).catch(undefinedWhenAbsent),
  ]);
  if (inside === undefined || real === undefined || !real.startsWith(inside + sep)) return undefined;
  const found = await stat(real).catch(undefinedWhenAbsent);
  return found?.ino === opened.ino && found.dev === opened.dev ? opened.size : undefined;
}

const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES", "ENXIO", "EISDIR"];

function undefinedWhenAbsent(error: unknown): undefined {
  if (error instanceof Error && "code" in error && ABSENT.includes(String(error.code))) return undefined;
  throw error;
}
