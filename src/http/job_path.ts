import { constants } from "node:fs";
import { type FileHandle, open, readlink, realpath } from "node:fs/promises";
import { join, normalize, relative } from "node:path";
import type { JobId } from "../core/ids.ts";
import { isInside, undefinedWhenAbsent } from "../files/inside.ts";

/** Something in the directory of a job, opened for reading and known to lie inside. */
export interface OpenedPath {
  readonly handle: FileHandle;
  /** Relative to the directory of the job, normalised; empty for that directory itself. */
  readonly path: string;
  /** Where the directory of the job really is. */
  readonly jobDir: string;
  /** Where the opened thing really is. */
  readonly realPath: string;
}

/** Nothing blocks on a FIFO, and no terminal becomes ours. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Opens a file or directory of a job as a request names it. The directory of the job may be a link, and links in it
 * are followed as long as they stay inside.
 *
 * What was opened is checked after opening, by asking the kernel where it is: a link that is swapped meanwhile gains
 * nothing.
 *
 * @param path as decoded from the request
 * @param flags added to those of `open(2)`, e.g. `O_DIRECTORY`
 * @returns undefined when there is no such thing, it may not be read, or it lies outside
 */
export async function openInJob(
  jobRootDir: string,
  id: JobId,
  path: string,
  flags = 0,
): Promise<OpenedPath | undefined> {
  const directory = join(jobRootDir, String(id));
  for (const spelling of spellings(path)) {
    const handle = await open(`${directory}/${spelling}`, READ | flags).catch(undefinedWhenAbsent);
    if (handle === undefined) continue;
    try {
      const [jobDir, realPath] = await Promise.all([
        realpath(directory).catch(undefinedWhenAbsent),
        readlink(`/proc/self/fd/${handle.fd}`),
      ]);
      if (jobDir !== undefined && isInside(realPath, jobDir)) {
        const isPlain = !spelling.split("/").includes("..");
        return { handle, path: isPlain ? spelling : relative(jobDir, realPath), jobDir, realPath };
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
  }
  return undefined;
}

/**
 * The path without superfluous slashes and dots, and where it goes up also as pure text: `a/../b.txt` means
 * `b.txt`, whether `a` exists or not.
 */
function spellings(path: string): readonly string[] {
  if (path.includes("\0") || path.startsWith("/")) return [];
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const plain = parts.join("/");
  if (!parts.includes("..")) return [plain];
  const normal = normalize(plain);
  return normal.startsWith("..") ? [plain] : [plain, normal === "." ? "" : normal];
}
