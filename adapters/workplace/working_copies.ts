import { constants, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, TransferError } from "../../src/core/errors.ts";
import type { AttemptTag } from "../../src/core/ids.ts";
import type { OwnAttempt } from "../../src/ports/attempt_queue.ts";
import type { FilePart } from "../../src/ports/file_system.ts";
import type { PerformerFileSystem, WorkingCopy } from "../../src/ports/performer_file_system.ts";
import type { Workplace } from "../../src/ports/workplace.ts";
import { isTag } from "../scheduler/attempt_id.ts";

/** What there may be of an attempt, in a directory named by its tag. */
const PLACES = {
  /** The whole input; there the command runs. */
  copy: "files",
  /** The input, while it is on its way. */
  part: "part",
  scratch: "scratch",
  /** An empty file: the command runs in the directory of the job itself. */
  inPlace: "in_place",
} as const;

/**
 * Gives each attempt a copy of its own of the directory of its job, unless the file system says that the performer sees
 * that itself.
 *
 * @param directory private, for the copies of one performer; absolute, made when it is needed
 */
export function workingCopies(fileSystem: PerformerFileSystem, directory: string): Workplace {
  const homeOf = (tag: string): string => join(directory, tag);
  const copyIn = (home: string, { tag, job }: OwnAttempt, place: string): WorkingCopy => ({
    tag,
    remote: job.directory,
    directory: join(home, place),
    scratchDir: join(home, PLACES.scratch),
  });
  /** Where the command of an attempt runs, when that is decided. */
  const placeOf = ({ tag, job }: OwnAttempt): string | undefined => {
    const copy = join(homeOf(tag), PLACES.copy);
    if (existsSync(copy)) return copy;
    return existsSync(join(homeOf(tag), PLACES.inPlace)) ? job.directory : undefined;
  };

  return {
    isStaged: true,
    async prepare(attempt, signal) {
      const known = placeOf(attempt);
      if (known !== undefined) return known;
      const home = homeOf(attempt.tag);
      here(() => mkdirSync(home, { recursive: true, mode: 0o700 }));
      if (await fileSystem.takeInPlace({ tag: attempt.tag, remote: attempt.job.directory }, signal)) {
        here(() => writeFileSync(join(home, PLACES.inPlace), ""));
        return attempt.job.directory;
      }
      const copy = copyIn(home, attempt, PLACES.part);
      for (const path of [copy.directory, copy.scratchDir])
        here(() => mkdirSync(path, { recursive: true, mode: 0o700 }));
      await fileSystem.fetch(copy, signal);
      const whole = join(home, PLACES.copy);
      here(() => renameSync(copy.directory, whole));
      return whole;
    },
    async deliver(attempt, signal) {
      const place = placeOf(attempt);
      if (place === undefined) {
        throw new TransferError("The working copy of the job is gone", { retryable: false });
      }
      if (place === attempt.job.directory) return;
      await fileSystem.send(copyIn(homeOf(attempt.tag), attempt, PLACES.copy), signal);
    },
    discard: (tag) =>
      rm(homeOf(tag), { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) => {
        throw asFault(error);
      }),
    tags: () => (existsSync(directory) ? (readdirSync(directory).filter(isTag) as AttemptTag[]) : []),
    async readFrom(attempt, fileName, fromByte, maxBytes) {
      const place = placeOf(attempt);
      return place === undefined ? undefined : await readPart(join(place, fileName), fromByte, maxBytes);
    },
    close: () => fileSystem.close(),
  };
}

async function readPart(path: string, fromByte: number, maxBytes: number): Promise<FilePart | undefined> {
  // A job could put a link to any file of the account here, or a pipe that never answers.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, flags).catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const info = await handle.stat();
    if (!info.isFile()) return undefined;
    const start = fromByte < 0 ? Math.max(0, info.size + fromByte) : fromByte;
    const into = new Uint8Array(Math.max(0, Math.min(maxBytes, info.size - start)));
    const { bytesRead } = into.length === 0 ? { bytesRead: 0 } : await handle.read(into, 0, into.length, start);
    return { start, bytes: into.subarray(0, bytesRead) };
  } finally {
    await handle.close();
  }
}

function here<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asFault(error);
  }
}

/** A full or broken disk here may be mended, or the next attempt gets another machine. */
function asFault(error: unknown): TransferError {
  return new TransferError(`The working copy on this machine: ${messageOf(error)}`, { retryable: true, cause: error });
}
