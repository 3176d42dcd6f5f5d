import { Buffer } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { isInside, undefinedWhenAbsent } from "./inside.ts";
import { sortByBytes } from "./sort_by_bytes.ts";
import type { Turns } from "./turns.ts";

/**
 * The name of a file, one character for each of its bytes (latin1): lossless whatever the encoding, and in the order
 * of code points when it is UTF-8.
 */
export type RawName = string;

export type EntryKind = "directory" | "file" | "link" | "other";

export interface DirectoryEntry {
  readonly name: RawName;
  /** Of the entry itself; a link is not followed. */
  readonly kind: EntryKind;
}

/**
 * An open directory of a job. Everything below is reached through it and not by its path, so that nobody can put a
 * link in the way: `/proc/self/fd/<fd>/<name>` is what `openat(2)` does.
 */
export interface OpenDirectory {
  readonly fd: number;
  /** Absolute, without links. */
  readonly realPath: string;
  /** The same for two directories only when they are one. */
  readonly identity: string;
  /** Permission bits. */
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  close(): void;
}

/** A directory in `parent` that is no link. @throws when it cannot be opened, or something else took its place */
export function openChild(parent: OpenDirectory, name: RawName): OpenDirectory {
  return openDirectory(pathIn(parent, name), constants.O_NOFOLLOW);
}

/** The directory that a link in `parent` leads to. @returns undefined when it lies outside of `jobDir` */
export function openLinkedDirectory(parent: OpenDirectory, name: RawName, jobDir: string): OpenDirectory | undefined {
  const directory = openDirectory(pathIn(parent, name), 0);
  if (isInside(directory.realPath, jobDir)) return directory;
  directory.close();
  return undefined;
}

/** Opens a directory by its path. @param flags added to those of `open(2)`, e.g. `O_NOFOLLOW` */
export function openDirectory(path: string | Buffer, flags: number): OpenDirectory {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NONBLOCK | flags);
  try {
    const info = fstatSync(fd);
    return {
      fd,
      realPath: readlinkSync(`/proc/self/fd/${fd}`),
      identity: `${info.dev}:${info.ino}`,
      mode: info.mode & 0o7777,
      modifiedMs: info.mtimeMs,
      close: () => closeSync(fd),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The path of an entry, for calls that take one. */
export function pathIn(directory: OpenDirectory, name: RawName): string | Buffer {
  const path = `/proc/self/fd/${directory.fd}/${name}`;
  return isAscii(name) ? path : Buffer.from(path, "latin1");
}

/** What is in a directory, sorted by code point; nothing when it was removed since it was opened. */
export async function readEntries(directory: OpenDirectory, turns: Turns): Promise<readonly DirectoryEntry[]> {
  const options = { encoding: "latin1", withFileTypes: true } as const;
  const found = (await readdir(`/proc/self/fd/${directory.fd}`, options).catch(undefinedWhenAbsent)) ?? [];
  // The kind is packed behind the name, where it does not disturb the order: NUL is in no name.
  const packed: string[] = [];
  for (const entry of found) {
    packed.push(`${entry.name}\0${kindOf(entry)}`);
    if (packed.length % 1024 === 0) await turns.next();
  }
  const sorted = await sortByBytes(packed, turns);
  return sorted.map(unpack);
}

function unpack(packed: string): DirectoryEntry {
  const end = packed.lastIndexOf("\0");
  return { name: packed.slice(0, end), kind: packed.slice(end + 1) as EntryKind };
}

function kindOf(entry: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }): EntryKind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "link" : "other";
}

/** The name as text; bytes that are not UTF-8 become replacement characters. */
export function textOf(name: RawName): string {
  return isAscii(name) ? name : Buffer.from(name, "latin1").toString("utf8");
}

function isAscii(name: string): boolean {
  return !/[^\p{ASCII}]/u.test(name);
}
