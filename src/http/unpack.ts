import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import type { Turns } from "../files/turns.ts";
import type { ByteSource } from "./byte_source.ts";
import { Refusal } from "./refusal.ts";
import { notAnArchive, type ZipIndex, type ZipMember } from "./zip_index.ts";
import { refused } from "./zip_path.ts";

/** Files up to this size, packed and unpacked, are done in one go: cheaper than giving way, and not noticed. */
const SMALL_BYTES = 262_144;
const PIECE_BYTES = 262_144;

const LOCAL_HEADER_BYTES = 30;
const LOCAL_HEADER_SIGNATURE = 0x04034b50;
/** Sizes and checksum follow the data, the local header has none. */
const DESCRIPTOR_FLAG = 0x08;
const ENCRYPTED_FLAG = 0x01;
/** Stands in a 32-bit field whose value is in the zip64 extra field. */
const IN_ZIP64 = 0xffffffff;

/**
 * Unpacks an archive into an empty directory. Files are readable for all, and executable when their owner could
 * execute them; times are not kept. Data is checked on the way: sizes, checksums, and that no two entries overlap.
 *
 * @throws {Refusal} 422 for a damaged or lying archive; what was written so far is the caller's to remove
 */
export async function unpack(source: ByteSource, index: ZipIndex, directory: string, turns: Turns): Promise<void> {
  try {
    for (const path of index.tree.directories) {
      mkdirSync(`${directory}/${path}`, 0o755);
      const turn = turns.next();
      if (turn !== undefined) await turn;
    }
    for (const [at, member] of index.files.entries()) {
      const end = index.files[at + 1]?.headerOffset ?? index.dataEnd;
      const slow = unpackFile(source, member, end, `${directory}/${member.path}`) ?? turns.next();
      if (slow !== undefined) await slow;
    }
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
}

/** @returns a promise for a large file; a small one is done on return */
function unpackFile(source: ByteSource, member: ZipMember, end: number, path: string): Promise<void> | undefined {
  const start = dataStart(source, member);
  if (start + member.compressedSize > end) throw notAnArchive("two entries share their data");
  const mode = member.isExecutable ? 0o755 : 0o644;
  if (member.size > SMALL_BYTES || member.compressedSize > SMALL_BYTES) {
    return unpackLarge(source, member, start, path, mode);
  }
  const packed = source.view(start, member.compressedSize);
  const content = member.isCompressed ? inflate(packed, member) : packed;
  checkContent(member, content.length, crc32(content));
  const fd = openSync(path, "wx", mode);
  try {
    for (let written = 0; written < content.length; ) written += writeSync(fd, content, written);
  } finally {
    closeSync(fd);
  }
  return undefined;
}

/** Checks that the local header tells the same as the central directory. @returns where the data starts */
function dataStart(source: ByteSource, member: ZipMember): number {
  const { headerOffset } = member;
  if (headerOffset + LOCAL_HEADER_BYTES > source.size) throw lying(member);
  const header = source.view(headerOffset, LOCAL_HEADER_BYTES);
  const flags = header.readUInt16LE(6);
  const nameLength = header.readUInt16LE(26);
  const extraLength = header.readUInt16LE(28);
  const isSame =
    header.readUInt32LE(0) === LOCAL_HEADER_SIGNATURE &&
    (flags & ENCRYPTED_FLAG) === 0 &&
    header.readUInt16LE(8) === (member.isCompressed ? 8 : 0) &&
    ((flags & DESCRIPTOR_FLAG) !== 0 ||
      (header.readUInt32LE(14) === member.crc32 &&
        isSameSize(header.readUInt32LE(18), member.compressedSize) &&
        isSameSize(header.readUInt32LE(22), member.size)));
  const nameStart = headerOffset + LOCAL_HEADER_BYTES;
  if (!isSame || nameLength !== member.rawName.length || nameStart + nameLength > source.size) throw lying(member);
  if (source.view(nameStart, nameLength).toString("latin1") !== member.rawName) throw lying(member);
  return nameStart + nameLength + extraLength;
}

function isSameSize(local: number, central: number): boolean {
  return local === central || local === IN_ZIP64;
}

function lying(member: ZipMember): Refusal {
  return refused(member.path, "is described differently in its local header");
}

function inflate(packed: Uint8Array, member: ZipMember): Uint8Array {
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, member.size) });
  } catch (error) {
    throw damaged(member, error);
  }
}

function damaged(member: ZipMember, cause?: unknown): Refusal {
  return notAnArchive(`the data of entry ${JSON.stringify(member.path.slice(0, 200))} is damaged`, cause);
}

function checkContent(member: ZipMember, size: number, checksum: number): void {
  if (size !== member.size || checksum !== member.crc32) throw damaged(member);
}

async function unpackLarge(
  source: ByteSource,
  member: ZipMember,
  start: number,
  path: string,
  mode: number,
): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    // Inflating happens on another thread, which must not find other bytes in a piece than it was given.
    const packed = source.stream(start, member.compressedSize, !member.isCompressed);
    const writer = checkedWriter(file, member);
    if (!member.isCompressed) return await writer(packed);
    await pipeline(packed, createInflateRaw({ chunkSize: PIECE_BYTES }), writer);
  } catch (error) {
    throw isZlibError(error) ? damaged(member, error) : error;
  } finally {
    await file.close();
  }
}

function checkedWriter(file: FileHandle, member: ZipMember): (chunks: AsyncIterable<Uint8Array>) => Promise<void> {
  return async (chunks) => {
    let size = 0;
    let checksum = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      // A bomb that announces less than it holds must not get to the disk.
      if (size > member.size) throw damaged(member);
      checksum = crc32(chunk, checksum);
      await file.writeFile(chunk);
    }
    checkContent(member, size, checksum);
  };
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^(?:Z_|ERR_BUFFER_TOO_LARGE)/.test(String(error.code));
}

/** What the file system has against the content of an archive, as an answer. */
function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  switch (error.code) {
    case "ENAMETOOLONG":
      return new Refusal(422, "An archive entry has a path that is too long", { cause: error });
    case "EEXIST":
      // E.g. on a file system that does not tell upper from lower case.
      return new Refusal(422, "Two archive entries have the same name", { cause: error });
    default:
      return undefined;
  }
}
