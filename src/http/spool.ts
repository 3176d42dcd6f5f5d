import { Buffer } from "node:buffer";
import { mkdtempSync, rmdirSync, unlinkSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { type ByteSource, fileSource, memorySource } from "./byte_source.ts";

/** What is smaller stays in memory; more is written in pieces of this size. */
const MEMORY_BYTES = 262_144;

/**
 * Takes in an upload. A small one stays in memory, a larger one goes to a private file that has no name any more
 * once it is open, so that nothing is left of it however this process ends.
 */
export class Spool {
  readonly #directory: string;
  /** The same piece of memory again and again: what is thrown away during an upload is collected late. */
  #buffer = Buffer.alloc(0);
  #filled = 0;
  #written = 0;
  #file: FileHandle | undefined;

  /** @param directory private directory for the file */
  constructor(directory: string) {
    this.#directory = directory;
  }

  get size(): number {
    return this.#written + this.#filled;
  }

  /** Takes a copy of `bytes`. @returns a promise to wait for when the disk is asked */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#filled + bytes.length > MEMORY_BYTES) return this.#writeThrough(bytes);
    this.#take(bytes);
    return undefined;
  }

  /** To be called after the last write. The source works until {@link Spool.close}. */
  async finish(): Promise<ByteSource> {
    if (this.#file === undefined) return memorySource(this.#buffer.subarray(0, this.#filled));
    await this.#flush();
    return fileSource(this.#file, this.#written);
  }

  /** Lets go of the bytes. Idempotent. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#buffer = Buffer.alloc(0);
    this.#filled = 0;
    await file?.close();
  }

  async #writeThrough(bytes: Uint8Array): Promise<void> {
    for (let taken = 0; taken < bytes.length; ) {
      const piece = bytes.subarray(taken, taken + MEMORY_BYTES - this.#filled);
      this.#take(piece);
      taken += piece.length;
      if (this.#filled === MEMORY_BYTES) await this.#flush();
    }
  }

  #take(bytes: Uint8Array): void {
    const filled = this.#filled + bytes.length;
    if (filled > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(MEMORY_BYTES, Math.max(filled, this.#buffer.length * 2)));
      larger.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled = filled;
  }

  async #flush(): Promise<void> {
    this.#file ??= await openNameless(this.#directory);
    let done = 0;
    while (done < this.#filled) {
      const { bytesWritten } = await this.#file.write(this.#buffer, done, this.#filled - done, this.#written);
      done += bytesWritten;
      this.#written += bytesWritten;
    }
    this.#filled = 0;
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
