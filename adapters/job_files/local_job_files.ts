import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { JobDirectoryError } from "../../src/core/errors.ts";
import type { JobId } from "../../src/core/ids.ts";
import type { JobFiles } from "../../src/ports/job_files.ts";

/** Keeps each job in `<root>/<id>` and uploads in `uploadDir`, which has to be on the same file system. */
export function localJobFiles(root: string, uploadDir: string): JobFiles {
  const directory = (id: JobId): string => join(root, String(id));
  return {
    directory,
    async adopt(upload, id) {
      const [from, to] = [join(uploadDir, upload), directory(id)];
      const [isUploaded, isPlaced] = [await exists(from), await exists(to)];
      if (isPlaced && !isUploaded) return;
      if (isPlaced) throw new JobDirectoryError(`Directory of job ${id} exists already`);
      if (!isUploaded) throw new JobDirectoryError(`Upload of job ${id} is lost`);
      try {
        await rename(from, to);
      } catch (error) {
        throw new JobDirectoryError(`Directory of job ${id} could not be made`, error);
      }
    },
    async discard(upload) {
      await rm(join(uploadDir, upload), { recursive: true, force: true });
    },
    async sweepUploads(accepted) {
      const stale = (await readdir(uploadDir)).filter((name) => !accepted.has(name));
      for (const name of stale) await rm(join(uploadDir, name), { recursive: true, force: true });
      return stale.length;
    },
    async appendReason(id, reason) {
      await append(join(directory(id), "stdout.txt"), "");
      await append(join(directory(id), "stderr.txt"), `bartender: ${reason}\n`);
    },
    async remove(id) {
      const path = directory(id);
      const info = await lstat(path).catch(absent);
      if (info?.isSymbolicLink()) await unlink(path);
      else await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
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

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(absent)) !== undefined;
}

function absent(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
}
