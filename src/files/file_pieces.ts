import { Buffer } from "node:buffer";
import { read, readSync } from "node:fs";

/** Files up to this size are read at once: a short read is faster than a trip to another thread. */
export const SMALL_FILE_BYTES = 65_536;

/** Larger files are read in pieces of this size, beside everything else. */
const READ_BYTES = 262_144;

/** Pieces of an archive are at least this large, but for the last. */
const PIECE_BYTES = 131_072;

/** Collects small buffers of an archive into pieces that are worth sending. */
export class PieceCollector {
  #buffers: Uint8Array[] = [];
  #length = 0;
  #total = 0;

  /** Bytes added since the beginning. */
  get total(): number {
    return this.#total;
  }

  /** True when a piece should be taken. */
  get isFull(): boolean {
    return this.#length >= PIECE_BYTES;
  }

  add(buffer: Uint8Array): void {
    this.#buffers.push(buffer);
    this.#length += buffer.length;
    this.#total += buffer.length;
  }

  /** All that was added since the last time. */
  take(): Uint8Array {
    const [first = new Uint8Array(0)] = this.#buffers;
    const piece = this.#buffers.length === 1 ? first : Buffer.concat(this.#buffers, this.#length);
    this.#buffers = [];
    this.#length = 0;
    return piece;
  }
}

/** The first `size` bytes of an open file, fewer when it became shorter. */
export function readSmall(fd: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(fd, bytes, filled, size - filled, filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

/** The same in pieces, without blocking. */
export async function* readLarge(fd: number, size: number): AsyncGenerator<Buffer, void, undefined> {
  for (let position = 0; position < size; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, size - position));
    const count = await readAt(fd, piece, position);
    if (count === 0) return;
    position += count;
    yield piece.subarray(0, count);
  }
}

function readAt(fd: number, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
