import { Buffer } from "node:buffer";
import { readSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";

/** Longest piece that {@link ByteSource.view} gives. */
const MAX_VIEW_BYTES = 524_288;

/** Bytes of {@link ByteSource.stream} at a time. */
const STREAM_PIECE_BYTES = 262_144;

/** The bytes of an uploaded archive, for reading at any place. */
export interface ByteSource {
  readonly size: number;
  /**
   * @param length at most {@link MAX_VIEW_BYTES}
   * @returns bytes that stay valid until the next call
   * @throws {RangeError} when the source has not that many bytes
   */
  view(position: number, length: number): Buffer;
  /**
   * The same for any length, piece by piece, without blocking.
   *
   * @param isBrief each piece is only valid until the next is asked for, which spares memory; default: false
   */
  stream(position: number, length: number, isBrief?: boolean): AsyncIterable<Buffer>;
}

/** Bytes that are in memory already. */
export function memorySource(bytes: Buffer): ByteSource {
  const view = (position: number, length: number): Buffer => {
    checkRange(position, length, bytes.length);
    return bytes.subarray(position, position + length);
  };
  return {
    size: bytes.length,
    view,
    async *stream(position, length) {
      yield view(position, length);
    },
  };
}

/** Bytes of an open file. Neighbouring views share one read. */
export function fileSource(file: FileHandle, size: number): ByteSource {
  const window = Buffer.allocUnsafeSlow(Math.min(MAX_VIEW_BYTES, size));
  let start = 0;
  let filled = 0;
  return {
    size,
    view(position, length) {
      checkRange(position, length, size);
      if (position < start || position + length > start + filled) {
        start = position;
        filled = fill(file.fd, window, position, Math.min(window.length, size - position));
        if (filled < length) throw new RangeError(`The file has fewer than ${position + length} bytes`);
      }
      return window.subarray(position - start, position - start + length);
    },
    async *stream(position, length, isBrief = false) {
      checkRange(position, length, size);
      const reused = isBrief ? Buffer.allocUnsafeSlow(Math.min(STREAM_PIECE_BYTES, length)) : undefined;
      for (let done = 0; done < length; ) {
        const piece = reused ?? Buffer.allocUnsafe(Math.min(STREAM_PIECE_BYTES, length - done));
        const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, length - done), position + done);
        if (bytesRead === 0) throw new RangeError(`The file has fewer than ${position + length} bytes`);
        yield piece.subarray(0, bytesRead);
        done += bytesRead;
      }
    },
  };
}

function fill(fd: number, window: Buffer, position: number, length: number): number {
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, window, filled, length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

function checkRange(position: number, length: number, size: number): void {
  if (position < 0 || position + length > size) throw new RangeError(`Bytes ${position}+${length} of ${size}`);
}
