import { Buffer } from "node:buffer";
import { posix } from "node:path";
import type { FileEntryWithStats } from "ssh2";
import { TransferError } from "../../src/core/errors.ts";
import type { RawName } from "../../src/files/open_directory.ts";
import { SFTP_STATUS, type SftpCalls } from "../ssh/sftp_calls.ts";
import { eachLimited } from "./each_limited.ts";
import { isPlainPath, type ListedEntry, type Listing } from "./tree_listing.ts";

/** Requests under way at a time. */
const AT_ONCE = 64;

const S_IFMT = 0o170000;
const KINDS = new Map<number, ListedEntry["type"]>([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "link"],
]);

/** All that is below a directory but special files; undefined when there is none. Links are not followed. */
export async function listTree(calls: SftpCalls, directory: string): Promise<Listing | undefined> {
  const top = await calls.lstat(directory).catch(absent);
  if (top === undefined || !top.isDirectory()) return undefined;
  const listing = new Map<RawName, ListedEntry>();
  for (let level: readonly string[] = [""]; level.length > 0; ) {
    const below: string[] = [];
    await eachLimited(level, AT_ONCE, async (path) => {
      const found = await calls.readdir(posix.join(directory, path));
      await eachLimited(found, AT_ONCE, async (entry) => {
        const entryPath = posix.join(path, entry.filename);
        const listed = await listedEntry(calls, directory, entryPath, entry);
        if (listed === undefined) return;
        listing.set(listed.path, listed);
        if (listed.type === "directory") below.push(entryPath);
      });
    });
    level = below;
  }
  return listing;
}

async function listedEntry(
  calls: SftpCalls,
  directory: string,
  path: string,
  { attrs, filename }: FileEntryWithStats,
): Promise<ListedEntry | undefined> {
  const raw = Buffer.from(path).toString("latin1");
  // The client has replaced bytes that are not UTF-8; such a file cannot be named again.
  if (filename.includes("\uFFFD") || filename.includes("/") || !isPlainPath(raw)) {
    throw new TransferError(`The file name ${JSON.stringify(path)} cannot be used over SFTP`, { retryable: false });
  }
  const common = { path: raw, mode: attrs.mode & 0o7777, modifiedS: attrs.mtime };
  const type = KINDS.get(attrs.mode & S_IFMT);
  switch (type) {
    case "directory":
      return { ...common, type };
    case "file":
      return { ...common, type, size: attrs.size };
    case "link":
      return {
        ...common,
        type,
        target: Buffer.from(await calls.readlink(posix.join(directory, path))).toString("latin1"),
      };
    case undefined:
      return undefined;
  }
}

/** Removes a directory with all below; an absent one is a no-op. A link is removed and never entered: kinds are those of the entries themselves. */
export async function removeTree(calls: SftpCalls, path: string): Promise<void> {
  const info = await calls.lstat(path).catch(absent);
  if (info === undefined) return;
  if (!info.isDirectory()) return await calls.unlink(path);
  const entries = await calls.readdir(path).catch(async (error: unknown) => {
    if (codeOf(error) !== SFTP_STATUS.permissionDenied) throw error;
    // A job may have taken its own permissions away.
    await calls.chmod(path, 0o700);
    return await calls.readdir(path);
  });
  if (entries.length > 0 && (info.mode & 0o700) !== 0o700) await calls.chmod(path, 0o700);
  const isDirectory = ({ attrs }: FileEntryWithStats): boolean => KINDS.get(attrs.mode & S_IFMT) === "directory";
  await eachLimited(
    entries.filter((entry) => !isDirectory(entry)),
    AT_ONCE,
    ({ filename }) => calls.unlink(posix.join(path, filename)).catch(absent),
  );
  for (const entry of entries.filter(isDirectory)) await removeTree(calls, posix.join(path, entry.filename));
  await calls.rmdir(path);
}

/** Status of a fault of the server; undefined for others. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** To be used as `.catch(absent)`: no such file is an answer. */
export function absent(error: unknown): undefined {
  if (codeOf(error) === SFTP_STATUS.noSuchFile) return undefined;
  throw error;
}
