import { crc32 } from "node:zlib";

/** RFC 1952 §2.3: deflate, no flags, no time, an unknown system. */
const HEADER = new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

/** What an empty block adds to the content is nothing. */
const EMPTY_BLOCK = storedBlock(new Uint8Array(0));

/** Most that a stored block can hold. */
const MAX_BLOCK_BYTES = 65_535;

/**
 * Bytes in the content coding `gzip` (RFC 1952), not compressed, each piece sent on at once. It begins with bytes before
 * there is any content, and an empty piece becomes bytes as well: signs of life that are no part of the content.
 */
export async function* gzipCoded(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let [crc, size] = [0, 0];
  try {
    yield HEADER;
    for await (const piece of pieces) {
      crc = crc32(piece, crc);
      size += piece.length;
      if (piece.length === 0) yield EMPTY_BLOCK;
      for (let start = 0; start < piece.length; start += MAX_BLOCK_BYTES) {
        yield storedBlock(piece.subarray(start, start + MAX_BLOCK_BYTES));
      }
    }
    yield trailer(crc, size);
  } finally {
    await pieces.return();
  }
}

/** A block without compression (RFC 1951 §3.2.4) that is not the last one. */
function storedBlock(content: Uint8Array): Uint8Array {
  const block = new Uint8Array(5 + content.length);
  const view = new DataView(block.buffer);
  view.setUint16(1, content.length, true);
  view.setUint16(3, ~content.length, true);
  block.set(content, 5);
  return block;
}

/** The last block, which is empty, then checksum and size modulo 2³² of the content. */
function trailer(crc: number, size: number): Uint8Array {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  bytes.set(EMPTY_BLOCK);
  bytes[0] = 1;
  view.setUint32(5, crc, true);
  view.setUint32(9, size, true);
  return bytes;
}
