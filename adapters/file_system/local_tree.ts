import { createHash } from "node:crypto";
import { messageOf, TransferError } from "../../src/core/errors.ts";
import { readLarge } from "../../src/files/file_pieces.ts";
import type { RawName } from "../../src/files/open_directory.ts";
import { openDirectory } from "../../src/files/open_directory.ts";
import { type TreeEntry, walkTree } from "../../src/files/tree_walker.ts";
import type { Turns } from "../../src/files/turns.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { copyOf, type ListedEntry, type Listing } from "./tree_listing.ts";

/** The directory of a job on this machine. */
export interface LocalTree {
  /** What is below it, without special files and links that leave it. */
  list(signal: AbortSignal): Promise<Listing>;
  /** All of it with the content of files, with the permissions of copies and the times of the originals. */
  entries(signal: AbortSignal): AsyncGenerator<TreeEntry, void, undefined>;
  /** Those of `paths` with their content, with the permissions and times of copies. */
  read(paths: ReadonlySet<RawName>, signal: AbortSignal): AsyncGenerator<TreeEntry, void, undefined>;
  /** SHA-256 of all files, in hexadecimal digits. */
  sums(signal: AbortSignal): Promise<ReadonlyMap<RawName, string>>;
  close(): void;
}

/** @param onSkipped told about what cannot be read @throws when the directory cannot be opened */
export function openLocalTree(path: string, turns: Turns, onSkipped: (path: string, why: string) => void): LocalTree {
  const directory = openDirectory(path, 0);
  const rules = { excludesFile: () => false, excludesDirectory: () => false, onSkipped };
  const walk = (signal: AbortSignal): AsyncGenerator<TreeEntry, void, undefined> =>
    walkTree({ directory, jobDir: directory.realPath }, rules, turns, signal);
  return {
    async list(signal) {
      const listing = new Map<RawName, ListedEntry>();
      for await (const entry of walk(signal)) listing.set(entry.path, listed(entry));
      return listing;
    },
    async *entries(signal) {
      for await (const entry of walk(signal)) yield { ...entry, mode: copyOf(listed(entry)).mode };
    },
    async *read(paths, signal) {
      for await (const entry of walk(signal)) {
        if (!paths.has(entry.path)) continue;
        const { mode, modifiedS } = copyOf(listed(entry));
        yield { ...entry, mode, modifiedMs: modifiedS * 1000 };
      }
    },
    async sums(signal) {
      const sums = new Map<RawName, string>();
      for await (const entry of walk(signal)) {
        if (entry.type !== "file") continue;
        const hash = createHash("sha256");
        for await (const piece of readLarge(entry.fd, entry.size)) hash.update(piece);
        sums.set(entry.path, hash.digest("hex"));
      }
      return sums;
    },
    close: () => directory.close(),
  };
}

/** The directory of a job that is to be copied. @throws {TransferError} */
export function openJobTree(directory: string, turns: Turns, logger: Logger): LocalTree {
  try {
    return openLocalTree(directory, turns, (path, why) =>
      logger.warn("A file of a job was not copied", { directory, path, reason: why }),
    );
  } catch (error) {
    throw new TransferError(`Cannot use the job directory: ${messageOf(error)}`, {
      retryable: !isAbsent(error),
      cause: error,
    });
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function listed(entry: TreeEntry): ListedEntry {
  const common = { path: entry.path, mode: entry.mode, modifiedS: Math.floor(entry.modifiedMs / 1000) };
  switch (entry.type) {
    case "directory":
      return { ...common, type: "directory" };
    case "file":
      return { ...common, type: "file", size: entry.size };
    case "link":
      return { ...common, type: "link", target: entry.target };
  }
}
