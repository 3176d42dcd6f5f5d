import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { constants, setPriority } from "node:os";
import process from "node:process";
import type { Readable, Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

/** What comes out of a compressor at a time. */
export const COMPRESSED_PIECE_BYTES = 65_536;

type Pieces = AsyncGenerator<Uint8Array, void, undefined>;

/** Compresses what it is given, beside the event loop. */
export interface Compressor {
  /** To be called once. @throws when the compression fails, or `data` does */
  compress(data: AsyncIterable<Uint8Array>): Pieces;
  /** Ends it at once, with every process of it. Idempotent. */
  kill(): void;
}

/** The program that compresses is not installed. */
export class ProgramMissingError extends Error {}

export const NO_COMPRESSION: Compressor = {
  async *compress(data) {
    yield* data;
  },
  kill() {},
};

export function gzip(): Compressor {
  const transform = createGzip({ chunkSize: COMPRESSED_PIECE_BYTES });
  return { compress: (data) => through(data, transform), kill: () => void transform.destroy() };
}

/**
 * Compresses with a program of the machine, in a process group of its own and with low priority.
 *
 * @throws {ProgramMissingError}
 */
export async function startProgram(program: "xz" | "bzip2"): Promise<Compressor> {
  const child = spawn(program, ["--compress", "--stdout"], { detached: true, stdio: ["pipe", "pipe", "ignore"] });
  // From now on an end is known whenever it comes.
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (status, signal) => resolve(signal ?? `exit status ${status}`));
  });
  try {
    await once(child, "spawn");
  } catch (error) {
    throw new ProgramMissingError(`${program} cannot be started`, { cause: error });
  }
  let isRunning = true;
  void ended.then(() => {
    isRunning = false;
  });
  const kill = (): void => {
    if (isRunning && child.pid !== undefined) killGroup(child.pid);
  };
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  return { compress: (data) => throughChild(data, child, ended, kill), kill };
}

async function* throughChild(
  data: AsyncIterable<Uint8Array>,
  child: ChildProcessByStdio<Writable, Readable, null>,
  ended: Promise<string>,
  kill: () => void,
): Pieces {
  const fed = pipeline(data, child.stdin);
  // A fault of the data must not pass for its end: the program would close its output properly.
  fed.catch(kill);
  try {
    for await (const piece of child.stdout) yield piece;
    await fed;
    const end = await ended;
    if (end !== "exit status 0") throw new Error(`The compression of an archive ended with ${end}`);
  } finally {
    kill();
    await Promise.allSettled([fed, ended]);
  }
}

/** `data` as it comes out of `transform`. */
export async function* through(data: AsyncIterable<Uint8Array>, transform: Transform): Pieces {
  const fed = pipeline(data, transform);
  // A fault of the data destroys the transform and so shows itself in the loop; it must only not count as unhandled.
  fed.catch(() => undefined);
  try {
    for await (const piece of transform) yield piece;
    await fed;
  } finally {
    transform.destroy();
    await Promise.allSettled([fed]);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // It may have ended just now.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
