import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { BartenderError, messageOf, TransferError } from "../../src/core/errors.ts";
import { readLarge, readSmall, SMALL_FILE_BYTES } from "../../src/files/file_pieces.ts";
import type { RawName } from "../../src/files/open_directory.ts";
import type { TreeEntry } from "../../src/files/tree_walker.ts";
import { SFTP_STATUS, type SftpCalls, withSftp } from "../ssh/sftp_calls.ts";
import type { SshConnection } from "../ssh/ssh_connection.ts";
import { eachLimited } from "./each_limited.ts";
import type { FileSink, RemoteTree } from "./remote_tree.ts";
import { absent, codeOf, listTree, removeTree } from "./sftp_directories.ts";
import { asTransferError, transferFault } from "./transfer_faults.ts";
import type { ListedFile, Listing } from "./tree_listing.ts";

/** Requests under way at a time; each waits for one trip to the host and back. */
const AT_ONCE = 64;

/** What servers take in one request; RFC drafts promise 32 kB. */
const CHUNK_BYTES = 32_768;

/** Moves files one by one over SFTP, many at a time. For accounts without a shell; names have to be UTF-8. */
export function sftpTree({ connection }: { readonly connection: SshConnection }): RemoteTree {
  const where = connection.name;

  const inSession = async <T>(
    signal: AbortSignal,
    directory: string,
    work: (calls: SftpCalls) => Promise<T>,
  ): Promise<T> => {
    try {
      return await withSftp(connection, "transfer", signal, (calls) =>
        work(calls).catch(async (error: unknown) => {
          throw await readable(error, calls, directory, where);
        }),
      );
    } catch (error) {
      throw asTransferError(error, where, signal);
    }
  };

  return {
    list: (directories, signal) =>
      inSession(signal, directories[0] ?? "/", async (calls) => {
        const listings: (Listing | undefined)[] = [];
        for (const directory of directories) listings.push(await listTree(calls, directory));
        return listings;
      }),
    send: (directory, entries, _count, signal) =>
      inSession(signal, directory, (calls) => sendAndList(calls, directory, entries, where)),
    sendNew: (directory, others, entries, _count, signal) =>
      inSession(signal, directory, async (calls) => {
        for (const path of [directory, ...others]) {
          if ((await calls.lstat(path).catch(absent)) !== undefined) return undefined;
        }
        return await sendAndList(calls, directory, entries, where);
      }),
    fetch: (directory, files, open, signal) =>
      inSession(signal, directory, async (calls) => {
        const fetchOne = (file: ListedFile): Promise<void> =>
          fetchFile(calls, posix.join(directory, nameOf(file.path, where)), file, open);
        await eachLimited(files.filter(isSmall), AT_ONCE, fetchOne);
        await eachLimited(
          files.filter((file) => !isSmall(file)),
          1,
          fetchOne,
        );
      }),
    sums: (directory, paths, signal) =>
      inSession(signal, directory, async (calls) => {
        const sums = new Map<RawName, string>();
        await eachLimited(paths, 8, async (path) => {
          sums.set(path, await sumOf(calls, posix.join(directory, nameOf(path, where))));
        });
        return sums;
      }),
    rename: (from, to, signal) => inSession(signal, to, (calls) => calls.rename(from, to)),
    remove: (directories, signal) =>
      inSession(signal, directories[0] ?? "/", async (calls) => {
        for (const directory of directories) await removeTree(calls, directory);
      }),
  };
}

function isSmall({ size }: ListedFile): boolean {
  return size <= SMALL_FILE_BYTES;
}

/** The name as the protocol has it. @throws {TransferError} for bytes that are not UTF-8 */
function nameOf(path: RawName, where: string): string {
  const bytes = Buffer.from(path, "latin1");
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return text;
  throw new TransferError(`The file name ${JSON.stringify(text)} is not UTF-8, which SFTP to ${where} needs`, {
    retryable: false,
  });
}

async function makeDirectories(calls: SftpCalls, directory: string): Promise<void> {
  if ((await calls.lstat(directory).catch(absent)) !== undefined) return;
  await makeDirectories(calls, posix.dirname(directory));
  await makeDirectory(calls, directory, 0o755);
}

async function makeDirectory(calls: SftpCalls, path: string, mode: number): Promise<void> {
  try {
    await calls.mkdir(path, mode);
  } catch (error) {
    if (codeOf(error) !== SFTP_STATUS.failure || !(await calls.lstat(path)).isDirectory()) throw error;
  }
}

async function sendAndList(
  calls: SftpCalls,
  directory: string,
  entries: AsyncIterable<TreeEntry>,
  where: string,
): Promise<Listing> {
  await makeDirectories(calls, directory);
  await sendAll(calls, directory, entries, where);
  return (await listTree(calls, directory)) ?? new Map();
}

/** Directories and links in turn, small files beside each other, large files in pieces that are under way together. */
async function sendAll(
  calls: SftpCalls,
  directory: string,
  entries: AsyncIterable<TreeEntry>,
  where: string,
): Promise<void> {
  const small = async function* (): AsyncGenerator<() => Promise<void>, void, undefined> {
    for await (const entry of entries) {
      const path = posix.join(directory, nameOf(entry.path, where));
      if (entry.type === "directory") {
        await makeDirectory(calls, path, entry.mode);
      } else if (entry.type === "link") {
        await calls.unlink(path).catch(absent);
        await calls.symlink(nameOf(entry.target, where), path);
      } else if (entry.size <= SMALL_FILE_BYTES) {
        // Read now: the walk closes the file when it goes on.
        const content = readSmall(entry.fd, entry.size);
        yield () => sendFile(calls, path, entry, [content]);
      } else {
        await sendFile(calls, path, entry, readLarge(entry.fd, entry.size));
      }
    }
  };
  await eachLimited(small(), AT_ONCE, (send) => send());
}

async function sendFile(
  calls: SftpCalls,
  path: string,
  { mode, modifiedMs }: TreeEntry,
  pieces: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<void> {
  const handle = await calls.openToWrite(path, mode);
  try {
    const chunks = async function* (): AsyncGenerator<readonly [Uint8Array, number], void, undefined> {
      let position = 0;
      for await (const piece of pieces) {
        for (let at = 0; at < piece.length; at += CHUNK_BYTES) {
          yield [piece.subarray(at, at + CHUNK_BYTES), position + at];
        }
        position += piece.length;
      }
    };
    await eachLimited(chunks(), AT_ONCE, ([chunk, position]) => calls.write(handle, chunk, position));
    // Last of all: the time tells that the file is whole.
    await calls.setTimeAndMode(handle, modifiedMs / 1000, mode);
  } finally {
    await calls.close(handle);
  }
}

async function fetchFile(
  calls: SftpCalls,
  path: string,
  file: ListedFile,
  open: (file: ListedFile) => FileSink,
): Promise<void> {
  const handle = await calls.openToRead(path);
  try {
    const sink = open(file);
    const starts = function* (): Generator<number, void, undefined> {
      for (let at = 0; at < file.size; at += CHUNK_BYTES) yield at;
    };
    await eachLimited(starts(), AT_ONCE, async (start) => {
      const end = Math.min(file.size, start + CHUNK_BYTES);
      // A server may answer with less than was asked for.
      for (let position = start; position < end; ) {
        const into = Buffer.allocUnsafe(end - position);
        const count = await calls.read(handle, into, position);
        if (count === 0) throw new TransferError("A file was changed while it was copied", { retryable: true });
        await sink.write(into.subarray(0, count), position);
        position += count;
      }
    });
    await sink.finish();
  } finally {
    await calls.close(handle);
  }
}

async function sumOf(calls: SftpCalls, path: string): Promise<string> {
  const handle = await calls.openToRead(path);
  try {
    const hash = createHash("sha256");
    const into = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let position = 0; ; ) {
      const count = await calls.read(handle, into, position);
      if (count === 0) return hash.digest("hex");
      hash.update(into.subarray(0, count));
      position += count;
    }
  } finally {
    await calls.close(handle);
  }
}

/** SFTP has one word for most faults; whether the disk is full has to be asked for. */
async function readable(error: unknown, calls: SftpCalls, directory: string, where: string): Promise<unknown> {
  if (error instanceof BartenderError || typeof codeOf(error) !== "number") return error;
  if (codeOf(error) === SFTP_STATUS.permissionDenied) return transferFault(where, "Permission denied", error);
  if (codeOf(error) === SFTP_STATUS.failure) {
    const free = (await calls.freeBlocks(directory)) ?? (await calls.freeBlocks(posix.dirname(directory)));
    if (free === 0) return transferFault(where, "No space left on device", error);
  }
  return transferFault(where, messageOf(error), error);
}
