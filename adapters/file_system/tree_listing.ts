import type { RawName } from "../../src/files/open_directory.ts";

/** Something below the directory of a job. */
export type ListedEntry = {
  /** Relative to that directory; one character per byte. */
  readonly path: RawName;
  /** Permission bits. */
  readonly mode: number;
  /** Whole seconds since 1970. */
  readonly modifiedS: number;
} & (
  | { readonly type: "directory" }
  | { readonly type: "file"; readonly size: number }
  | { readonly type: "link"; readonly target: RawName }
);

export type ListedFile = Extract<ListedEntry, { type: "file" }>;

/** Path → entry. */
export type Listing = ReadonlyMap<RawName, ListedEntry>;

/**
 * How much older copies are made than their originals, in seconds. What a job writes then never carries the time of a
 * copy, not even when both happen within one second.
 */
const AGED_S = 3600;

/** Time and permissions that the copy of a file or directory gets: no other bits than those for reading, writing and
 * executing, and always the owner's own. */
export function copyOf<T extends ListedEntry>(entry: T): T {
  const own = entry.type === "directory" ? 0o700 : 0o600;
  return { ...entry, mode: (entry.mode & 0o777) | own, modifiedS: entry.modifiedS - AGED_S };
}

/** True when `found` is the whole copy of `original`: times are set last, so a broken copy has another one. */
export function isCopy(original: ListedEntry, found: ListedEntry | undefined): boolean {
  if (found?.type !== original.type) return false;
  switch (original.type) {
    case "directory":
      return true;
    case "file":
      return found.type === "file" && found.size === original.size && found.modifiedS === original.modifiedS - AGED_S;
    case "link":
      return found.type === "link" && found.target === original.target;
  }
}

/** True when both are the same, so far as can be told without their contents; directories always are. */
export function isSame(one: ListedEntry, other: ListedEntry | undefined): boolean {
  switch (one.type) {
    case "directory":
      return other?.type === "directory";
    case "file":
      return other?.type === "file" && other.size === one.size && other.modifiedS === one.modifiedS;
    case "link":
      return other?.type === "link" && other.target === one.target;
  }
}

/** The first difference between originals and their copies; undefined when these are whole and there is nothing else. */
export function firstDifference(originals: Listing, copies: Listing): RawName | undefined {
  for (const [path, original] of originals) if (!isCopy(original, copies.get(path))) return path;
  for (const path of copies.keys()) if (!originals.has(path)) return path;
  return undefined;
}

/** True for a relative path that stays below where it starts and that a file system can hold. */
export function isPlainPath(path: RawName): boolean {
  if (path.length > 4096 || path.includes("\0")) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && part.length <= 255);
}

/**
 * The target that a link may keep: a relative one that does not lead out of the job's directory; undefined when there
 * is none. It may go up only at its beginning, where it passes directories and no other links.
 *
 * @param path of the link
 * @param directory absolute path of the job's directory where the link was made
 */
export function keptTarget(path: RawName, target: RawName, directory: RawName): RawName | undefined {
  const depth = path.split("/").length - 1;
  const relative = target.startsWith(`${directory}/`)
    ? `${"../".repeat(depth)}${target.slice(directory.length + 1)}`
    : target;
  if (relative === "" || relative.startsWith("/") || relative.includes("\0") || relative.length > 4096) {
    return undefined;
  }
  const parts = relative.split("/").filter((part) => part !== "" && part !== ".");
  const down = parts.findIndex((part) => part !== "..");
  const ups = down < 0 ? parts.length : down;
  return ups > depth || parts.slice(ups).includes("..") ? undefined : relative;
}
