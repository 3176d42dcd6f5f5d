import { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import { constants, fsync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** More files and directories than this are flushed all at once, with whatever else their file system has to write. */
const MAX_ONE_BY_ONE = 50;

/** File systems make one flush of several at the same time. */
const AT_A_TIME = 8;

const flush = promisify(fsync);
const run = promisify(execFile);

/**
 * Has the disk keep what is in a directory, also over a power cut. The name of the directory itself is kept by a flush of
 * its parent only.
 *
 * @param paths of everything below `directory`, relative to it
 * @throws what the disk answers
 */
export async function flushTree(directory: string, paths: readonly (string | Uint8Array)[]): Promise<void> {
  if (paths.length > MAX_ONE_BY_ONE && (await flushFileSystem(directory))) return;
  let next = 0;
  const flushNext = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
      await flushPath(
        typeof path === "string" ? join(directory, path) : Buffer.concat([Buffer.from(`${directory}/`), path]),
      );
    }
  };
  await Promise.all([flushPath(directory), ...Array.from({ length: AT_A_TIME }, flushNext)]);
}

async function flushPath(path: string | Buffer): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await flushOpen(file);
  } finally {
    await file.close();
  }
}

/** Has the disk keep an open file, or the names in an open directory. @throws what the disk answers */
export async function flushOpen({ fd }: FileHandle): Promise<void> {
  try {
    await flush(fd);
  } catch (error) {
    // Some file systems have nothing to flush for directories, and say so.
    if (!isNotSupported(error)) throw error;
  }
}

function isNotSupported(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EINVAL" || error.code === "ENOTSUP");
}

/** Has the disk keep everything on the file system of `path` (syncfs(2)). @returns false where no program does so */
async function flushFileSystem(path: string): Promise<boolean> {
  try {
    await run("sync", ["-f", path]);
    return true;
  } catch {
    // Not there, or too old for this, or it met a fault of the disk, which is met again one by one.
    return false;
  }
}
