import { constants } from "node:fs";
import { type FileHandle, lstat, open, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { JobDirectoryError, JobDirectoryTakenError, TransferError } from "../../src/core/errors.ts";
import type { JobId } from "../../src/core/ids.ts";
import { flushOpen } from "../../src/files/flush_to_disk.ts";
import { makeUniqueDirectory } from "../../src/files/unique_directory.ts";
import type { JobFiles, JobInputs } from "../../src/ports/job_files.ts";
import { copyInput } from "./copy_input.ts";

/** Keeps each job in `<root>/<id>` and uploads in `uploadDir`, which has to be on the same file system. */
export function localJobFiles(root: string, uploadDir: string): JobFiles & JobInputs {
  const directory = (id: JobId): string => join(root, String(id));
  return {
    directory,
    async adopt(upload, id) {
      const [from, to] = [join(uploadDir, upload), directory(id)];
      const [isUploaded, isPlaced] = [await exists(from), await exists(to)];
      if (isPlaced && !isUploaded) return;
      if (isPlaced) throw new JobDirectoryTakenError(`Directory of job ${id} exists already`);
      if (!isUploaded) throw new JobDirectoryError(`Upload of job ${id} is lost`);
      try {
        await place(from, to);
      } catch (error) {
        throw new JobDirectoryError(`Directory of job ${id} could not be made`, error);
      }
    },
    async discard(upload) {
      await rm(join(uploadDir, upload), { recursive: true, force: true });
    },
    async appendReason(id, reason) {
      try {
        await append(join(directory(id), "stdout.txt"), "");
        await append(join(directory(id), "stderr.txt"), `bartender: ${reason}\n`);
      } catch (error) {
        // Passes; a job without the reason of its failure would be a riddle for ever.
        throw isDiskFull(error) ? diskFull(error) : error;
      }
    },
    async remove(id) {
      const path = directory(id);
      const info = await lstat(path).catch(absent);
      if (info?.isSymbolicLink()) await unlink(path);
      else await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },
    hasInput: (id, input) => copyInput(directory(id), input, undefined),
    async copyInput(id, input) {
      const to = makeUniqueDirectory(uploadDir, "retry-");
      let isCopied = false;
      try {
        isCopied = await copyInput(directory(id), input, to);
      } catch (error) {
        throw isDiskFull(error) ? diskFull(error) : error;
      } finally {
        if (!isCopied) await rm(to, { recursive: true, force: true });
      }
      return isCopied ? basename(to) : undefined;
    },
  };
}

/** Renames for good: a client is told next that its job is there. */
async function place(from: string, to: string): Promise<void> {
  // First, so that a lack of file descriptors is noticed while nothing has changed.
  const parent = await open(dirname(to), constants.O_RDONLY);
  try {
    await rename(from, to);
    await flushOpen(parent);
  } finally {
    await parent.close();
  }
}

/** Appends a line that is not at the end of the file yet; never through a link, which a job may have planted. */
async function append(path: string, line: string): Promise<void> {
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags, 0o644);
  try {
    const info = await file.stat();
    if (!info.isFile() || line === "") return;
    const end = await tail(file, info.size, Buffer.byteLength(line) + 1);
    if (end.endsWith(line)) return;
    await file.write(end === "" || end.endsWith("\n") ? line : `\n${line}`);
  } finally {
    await file.close();
  }
}

async function tail(file: FileHandle, size: number, length: number): Promise<string> {
  const start = Math.max(0, size - length);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
  return buffer.toString("utf8", 0, bytesRead);
}

function diskFull(cause: unknown): TransferError {
  return new TransferError("The disk of the jobs is full", { retryable: true, cause });
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(absent)) !== undefined;
}

function absent(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
}
