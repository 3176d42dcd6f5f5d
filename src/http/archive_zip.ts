import { Buffer, isUtf8 } from "node:buffer";
import { crc32, createDeflateRaw, deflateRawSync } from "node:zlib";
import { assertNever } from "../core/assert_never.ts";
import { PieceCollector, readLarge, readSmall, SMALL_FILE_BYTES } from "../files/file_pieces.ts";
import type { TreeEntry } from "../files/tree_walker.ts";
import { COMPRESSED_PIECE_BYTES, through } from "./archive_compression.ts";
import { centralRecord, dataDescriptor, endOfCentralDirectory, localHeader, type ZipEntry } from "./zip_records.ts";

/** Files with these extensions do not get smaller by another compression. */
const COMPRESSED = /\.(7z|bz2|gif|gz|jpe?g|mp4|png|tgz|webp|xz|zip|zst)$/i;

/** Files of this size and more get sizes of eight bytes. The margin is for what cannot be compressed and grows a little. */
const ZIP64_FROM_BYTES = 0xf0000000;

/**
 * Entries as a zip archive (APPNOTE.TXT 6.3.10), streamed: what is small is complete before its header is written,
 * of larger files sizes and sum follow after the data.
 *
 * A file that becomes shorter or longer while it is read is stored as far as it was read.
 */
export async function* zipArchive(entries: AsyncIterable<TreeEntry>): AsyncGenerator<Uint8Array, void, undefined> {
  const out = new PieceCollector();
  const written: ZipEntry[] = [];
  for await (const entry of entries) {
    if (entry.type === "file" && entry.size > SMALL_FILE_BYTES) {
      written.push(yield* addLarge(out, entry));
    } else {
      written.push(addSmall(out, entry));
    }
    if (out.isFull) yield out.take();
  }
  const start = out.total;
  for (const entry of written) {
    out.add(centralRecord(entry));
    if (out.isFull) yield out.take();
  }
  out.add(endOfCentralDirectory(written.length, start, out.total - start));
  yield out.take();
}

function addSmall(out: PieceCollector, entry: TreeEntry): ZipEntry {
  const data = contentOf(entry);
  const deflated =
    data.length > 0 && entry.type === "file" && !COMPRESSED.test(entry.path) ? deflateRawSync(data) : data;
  const isDeflated = deflated.length < data.length;
  const written: ZipEntry = {
    ...commonOf(entry, out.total),
    isDeflated,
    isStreamed: false,
    isZip64: false,
    crc: crc32(data),
    size: data.length,
    storedSize: isDeflated ? deflated.length : data.length,
  };
  out.add(localHeader(written));
  out.add(isDeflated ? deflated : data);
  return written;
}

async function* addLarge(
  out: PieceCollector,
  entry: TreeEntry & { readonly type: "file" },
): AsyncGenerator<Uint8Array, ZipEntry, undefined> {
  const isDeflated = !COMPRESSED.test(entry.path);
  const isZip64 = entry.size >= ZIP64_FROM_BYTES;
  const begun = { ...commonOf(entry, out.total), isDeflated, isZip64, isStreamed: true };
  out.add(localHeader({ ...begun, crc: 0, size: 0, storedSize: 0 }));
  const start = out.total;
  let [crc, size] = [0, 0];
  const counted = async function* () {
    for await (const piece of readLarge(entry.fd, entry.size)) {
      crc = crc32(piece, crc);
      size += piece.length;
      yield piece;
    }
  };
  for await (const piece of isDeflated
    ? through(counted(), createDeflateRaw({ chunkSize: COMPRESSED_PIECE_BYTES }))
    : counted()) {
    out.add(piece);
    if (out.isFull) yield out.take();
  }
  const written: ZipEntry = { ...begun, crc, size, storedSize: out.total - start };
  out.add(dataDescriptor(written));
  return written;
}

function contentOf(entry: TreeEntry): Buffer {
  switch (entry.type) {
    case "directory":
      return Buffer.alloc(0);
    case "link":
      return Buffer.from(entry.target, "latin1");
    case "file":
      return readSmall(entry.fd, entry.size);
    default:
      return assertNever(entry);
  }
}

/** File types of `stat(2)`, which stand beside the permissions. */
const TYPE_BITS = { directory: 0o040000, file: 0o100000, link: 0o120000 };

function commonOf(
  entry: TreeEntry,
  offset: number,
): Pick<ZipEntry, "name" | "isUtf8" | "unixMode" | "modifiedMs" | "offset"> {
  const name = Buffer.from(entry.type === "directory" ? `${entry.path}/` : entry.path, "latin1");
  const unixMode = TYPE_BITS[entry.type] | entry.mode;
  return { name, isUtf8: isUtf8(name), unixMode, modifiedMs: entry.modifiedMs, offset };
}
