import { lstat, mkdir, readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers";
import { assertNever } from "../../src/core/assert_never.ts";
import { type JobId, jobId, MAX_JOB_ID } from "../../src/core/ids.ts";
import type { Leftover, Leftovers } from "../../src/ports/leftovers.ts";

/** Where things are, all absolute and on one file system. */
export interface LeftoverPlaces {
  /** Holds the directories of jobs. */
  readonly jobRootDir: string;
  readonly uploadDir: string;
  /** Records of attempts. */
  readonly controlDir: string;
  /** Where output waits until all of it is there, by number of the job. */
  readonly incomingDir: string;
  /** For job directories that were set aside; made when it is needed. */
  readonly orphanDir: string;
  /** Says which database the job root is used with. */
  readonly ownerFile: string;
}

/** Files that may belong to the record of one attempt, see attempt_files.ts. */
const RECORD_SUFFIXES = ["", ".sh", ".sh.new"] as const;

/** The leftovers on a local disk. */
export function localLeftovers(places: LeftoverPlaces): Leftovers {
  const pathOf = (leftover: Leftover): string => {
    switch (leftover.kind) {
      case "upload":
        return join(places.uploadDir, leftover.name);
      case "directory":
        return join(places.jobRootDir, String(leftover.id));
      case "incoming":
        return join(places.incomingDir, String(leftover.id));
      case "orphan":
        return join(places.orphanDir, leftover.name);
      case "record":
        return join(places.controlDir, leftover.tag);
      default:
        return assertNever(leftover);
    }
  };
  const pathsOf = (leftover: Leftover): readonly string[] =>
    leftover.kind === "record" ? RECORD_SUFFIXES.map((suffix) => pathOf(leftover) + suffix) : [pathOf(leftover)];

  return {
    owner: () => readOwner(places.ownerFile),
    setOwner: (instanceId) => writeFile(places.ownerFile, `${instanceId}\n`, { mode: 0o600 }),
    uploads: () => names(places.uploadDir),
    directories: () => jobNumbers(places.jobRootDir),
    incoming: () => jobNumbers(places.incomingDir),
    orphans: () => names(places.orphanDir),
    async records() {
      return [...new Set((await names(places.controlDir)).map((name) => name.replace(/\.sh(\.new)?$/, "")))];
    },
    async changedOnMs(leftover) {
      const times = await Promise.all(pathsOf(leftover).map(async (path) => (await infoOf(path))?.ctimeMs ?? -1));
      const newest = Math.max(...times);
      return newest === -1 ? undefined : newest;
    },
    async bytes(leftover) {
      let total = 0;
      for (const path of pathsOf(leftover)) total += await bytesBelow(path);
      return total;
    },
    async remove(leftover) {
      if (leftover.kind === "directory") return await setAside(pathOf(leftover), places.orphanDir, leftover.id);
      for (const path of pathsOf(leftover)) await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function readOwner(path: string): Promise<string | undefined> {
  try {
    // Empty after a crash between its making and its writing.
    return (await readFile(path, "utf8")).trim() || undefined;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function setAside(path: string, orphanDir: string, id: number): Promise<void> {
  const info = await infoOf(path);
  if (info === undefined) return;
  if (info.isSymbolicLink()) return await unlink(path);
  await mkdir(orphanDir, { recursive: true, mode: 0o700 });
  for (let count = 1; ; count++) {
    const name = count === 1 ? String(id) : `${id}.${count}`;
    if ((await infoOf(join(orphanDir, name))) === undefined) return await rename(path, join(orphanDir, name));
  }
}

/** Plain decimal, as the daemon writes it; `007` or `7.old` is somebody else's. */
function isJobNumber(name: string): boolean {
  return /^[1-9]\d{0,9}$/.test(name) && Number(name) <= MAX_JOB_ID;
}

/** How many names are dealt with before everything else has its turn. */
const SLICE = 10_000;

/** Ascending. Sorted in parts by size of the number, as there may be a million. */
async function jobNumbers(directory: string): Promise<readonly JobId[]> {
  const parts = new Map<number, JobId[]>();
  for (const [index, name] of (await names(directory)).entries()) {
    if (index % SLICE === SLICE - 1) await turn();
    if (!isJobNumber(name)) continue;
    const id = jobId(Number(name));
    const part = parts.get(Math.floor(id / SLICE));
    if (part === undefined) parts.set(Math.floor(id / SLICE), [id]);
    else part.push(id);
  }
  const sorted: JobId[] = [];
  for (const key of [...parts.keys()].sort((one, other) => one - other)) {
    sorted.push(...(parts.get(key) ?? []).sort((one, other) => one - other));
    await turn();
  }
  return sorted;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function names(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

async function bytesBelow(path: string): Promise<number> {
  const info = await infoOf(path);
  if (info === undefined) return 0;
  if (!info.isDirectory()) return info.isFile() ? info.size : 0;
  let total = 0;
  for (const name of await names(path)) total += await bytesBelow(join(path, name));
  return total;
}

async function infoOf(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
