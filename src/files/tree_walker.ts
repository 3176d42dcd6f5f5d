import { Buffer } from "node:buffer";
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { relative } from "node:path";
import { isInside } from "./inside.ts";
import {
  type DirectoryEntry,
  type EntryKind,
  type OpenDirectory,
  openChild,
  pathIn,
  type RawName,
  readEntries,
  textOf,
} from "./open_directory.ts";
import type { Turns } from "./turns.ts";

/** Deeper directories are left out: each level holds a file descriptor. */
const MAX_DEPTH = 500;

/** Something that goes into an archive. */
export type TreeEntry = {
  /** Relative to the archived directory. */
  readonly path: RawName;
  /** Permission bits. */
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
} & (
  | { readonly type: "directory" }
  /** A regular file, open only until the next entry is asked for; `size` bytes when it was opened. */
  | { readonly type: "file"; readonly fd: number; readonly size: number }
  /** A link that stays inside the job; its target is relative. */
  | { readonly type: "link"; readonly target: RawName }
);

/** Where a walk begins. */
export interface TreeStart {
  readonly directory: OpenDirectory;
  /** Where the directory of the job really is; links may not leave it. */
  readonly jobDir: string;
}

/** Which part of a tree goes into an archive. */
export interface WalkRules {
  /** Given the bare name. */
  excludesFile(name: string): boolean;
  /** Given the bare name; leaves out all below, too. */
  excludesDirectory(name: string): boolean;
  /** Told about what is left out because it cannot be read, by a path as text. */
  onSkipped(path: string, why: string): void;
}

interface Level {
  readonly directory: OpenDirectory;
  readonly prefix: RawName;
  readonly entries: readonly DirectoryEntry[];
  next: number;
}

/**
 * Goes through the directories, files and links below a directory, sorted by code point, a directory before what is
 * in it. Special files and links that leave the job are left out. The starting directory stays open.
 *
 * Nothing outside the job is ever read, whatever is changed meanwhile: directories and files are opened one in the
 * other and never through a link. Other requests get their turns in between.
 *
 * @throws the reason of `signal` when it is aborted
 */
export async function* walkTree(
  start: TreeStart,
  rules: WalkRules,
  turns: Turns,
  signal: AbortSignal,
): AsyncGenerator<TreeEntry, void, undefined> {
  const levels: Level[] = [
    { directory: start.directory, prefix: "", entries: await readEntries(start.directory, turns), next: 0 },
  ];
  try {
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      signal.throwIfAborted();
      const turn = turns.next();
      if (turn !== undefined) await turn;
      const entry = level.entries[level.next++];
      if (entry === undefined) {
        levels.pop();
        if (levels.length > 0) level.directory.close();
        continue;
      }
      const path = level.prefix + entry.name;
      try {
        const kind = entry.kind === "other" ? kindOf(level.directory, entry.name) : entry.kind;
        if (kind === "directory" && !rules.excludesDirectory(textOf(entry.name))) {
          if (levels.length > MAX_DEPTH) throw new UnreadableError("It lies too deep");
          const below = await openLevel(level.directory, entry.name, path, turns);
          levels.push(below);
          yield { type: "directory", path, mode: below.directory.mode, modifiedMs: below.directory.modifiedMs };
        } else if (kind === "file" && !rules.excludesFile(textOf(entry.name))) {
          yield* file(level.directory, entry.name, path);
        } else if (kind === "link") {
          yield* link(level.directory, entry.name, path, start.jobDir, rules);
        }
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        rules.onSkipped(textOf(path), error.message);
      }
    }
  } finally {
    for (const { directory } of levels.slice(1)) directory.close();
  }
}

class UnreadableError extends Error {}

async function openLevel(parent: OpenDirectory, name: RawName, path: RawName, turns: Turns): Promise<Level> {
  const directory = openChild(parent, name);
  try {
    return { directory, prefix: `${path}/`, entries: await readEntries(directory, turns), next: 0 };
  } catch (error) {
    directory.close();
    throw error;
  }
}

function* file(directory: OpenDirectory, name: RawName, path: RawName): Generator<TreeEntry, void, undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
  const fd = openSync(pathIn(directory, name), flags);
  try {
    const info = fstatSync(fd);
    if (info.isFile()) {
      yield { type: "file", path, mode: info.mode & 0o7777, modifiedMs: info.mtimeMs, fd, size: info.size };
    }
  } finally {
    closeSync(fd);
  }
}

/** A link counts as what it leads to when it is compared with patterns. */
function* link(
  directory: OpenDirectory,
  name: RawName,
  path: RawName,
  jobDir: string,
  rules: WalkRules,
): Generator<TreeEntry, void, undefined> {
  const place = pathIn(directory, name);
  const real = realpathSync.native(place);
  if (!isInside(real, jobDir)) throw new UnreadableError("It is a link that leaves the job");
  const behind = statSync(place);
  const isExcluded = behind.isDirectory() ? rules.excludesDirectory : rules.excludesFile;
  if (isExcluded(textOf(name)) || !(behind.isDirectory() || behind.isFile())) return;
  const target = readlinkSync(place, { encoding: "latin1" });
  yield {
    type: "link",
    path,
    mode: 0o777,
    modifiedMs: lstatSync(place).mtimeMs,
    // Where the job lies on this machine is nobody's business, and means nothing elsewhere.
    target: target.startsWith("/") ? Buffer.from(relative(directory.realPath, real)).toString("latin1") : target,
  };
}

/** For file systems that do not tell kinds when they list names. */
function kindOf(directory: OpenDirectory, name: RawName): EntryKind {
  const info = lstatSync(pathIn(directory, name));
  if (info.isDirectory()) return "directory";
  if (info.isFile()) return "file";
  return info.isSymbolicLink() ? "link" : "other";
}

/** What vanished or was replaced since it was listed, and what may not be read. */
const UNREADABLE = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES", "EPERM", "ENXIO", "EINVAL", "ESTALE"];

function isUnreadable(error: unknown): error is Error {
  if (error instanceof UnreadableError) return true;
  return error instanceof Error && "code" in error && UNREADABLE.includes(String(error.code));
}
