import { Buffer } from "node:buffer";
import { mkdtempSync, rmdirSync, unlinkSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { type ByteSource, fileSource, memorySource } from "./byte_source.ts";

/** What is smaller stays in memory; more is written in pieces of at least this size. */
const MEMORY_BYTES = 262_144;

/**
 * Takes in an upload. A small one stays in memory, a larger one goes to a private file that has no name any more
 * once it is open, so that nothing is left of it however this process ends.
 */
export class Spool {
  readonly #directory: string;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #written = 0;
  #file: FileHandle | undefined;

  /** @param directory private directory for the file */
  constructor(directory: string) {
    this.#directory = directory;
  }

  get size(): number {
    return this.#written + this.#pendingBytes;
  }

  /** Takes `bytes`, which the caller must not change any more. @returns a promise to wait for when the disk is asked */
  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    return this.#pendingBytes < MEMORY_BYTES ? undefined : this.#flush();
  }

  /** To be called after the last write. The source works until {@link Spool.close}. */
  async finish(): Promise<ByteSource> {
    if (this.#file === undefined) return memorySource(Buffer.concat(this.#pending));
    await this.#flush();
    return fileSource(this.#file, this.#written);
  }

  /** Lets go of the bytes. Idempotent. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#pending = [];
    this.#pendingBytes = 0;
    await file?.close();
  }

  async #flush(): Promise<void> {
    this.#file ??= await openNameless(this.#directory);
    let left = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    while (left.length > 0) {
      const { bytesWritten } = await this.#file.writev(left, this.#written);
      this.#written += bytesWritten;
      left = behind(left, bytesWritten);
    }
  }
}

async function openNameless(directory: string): Promise<FileHandle> {
  const holder = mkdtempSync(join(directory, "incoming-"));
  const path = join(holder, "archive.zip");
  try {
    const file = await open(path, "wx+", 0o600);
    unlinkSync(path);
    return file;
  } finally {
    rmdirSync(holder);
  }
}

/** What of `chunks` is left after their first `count` bytes. */
function behind(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  const left: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skip < chunk.length) left.push(chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.length);
  }
  return left;
}
