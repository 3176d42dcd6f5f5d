import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { stat, utimes } from "node:fs/promises";

const DIGEST_BYTES = 16;

/** A digest of the names and sizes of files, in whatever order they are added. */
export class InputDigest {
  readonly #sum = Buffer.alloc(DIGEST_BYTES);

  /** @param path relative to the directory of the job */
  add(path: string | Buffer, size: number): void {
    const one = createHash("sha256").update(path).update(`\0${size}`).digest();
    for (let at = 0; at < DIGEST_BYTES; at++) this.#sum.writeUInt8(this.#sum.readUInt8(at) ^ one.readUInt8(at), at);
  }

  toString(): string {
    return this.#sum.toString("hex");
  }
}

/**
 * Marks the end of the making of a directory: nothing in it was changed later than the moment that is returned, and what
 * anybody changes from now on is. By the clock of the file system, in milliseconds since 1970.
 */
export async function sealedOn(directory: string): Promise<number> {
  const { atime, mtime } = await stat(directory);
  // Any change of it is stamped with the moment.
  await utimes(directory, atime, mtime);
  return (await stat(directory)).ctimeMs;
}
