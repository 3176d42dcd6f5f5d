import { Buffer } from "node:buffer";

/** What the records of a zip archive say about one entry (APPNOTE.TXT §4.3). */
export interface ZipEntry {
  /** Bytes; ends in a slash for a directory. */
  readonly name: Buffer;
  readonly isUtf8: boolean;
  /** As in `st_mode` of stat(2). */
  readonly unixMode: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Where the entry begins in the archive. */
  readonly offset: number;
  readonly isDeflated: boolean;
  /** Sum and sizes follow after the data. */
  readonly isStreamed: boolean;
  /** The sizes may not have room in four bytes. */
  readonly isZip64: boolean;
  readonly crc: number;
  readonly size: number;
  readonly storedSize: number;
}

const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;

/** Made on Unix; 4.5 is the version that knows sizes of eight bytes. */
const MADE_BY = (3 << 8) | 45;

const FLAG_STREAMED = 1 << 3;
const FLAG_UTF8 = 1 << 11;
const METHOD_DEFLATE = 8;

export function localHeader(entry: ZipEntry): Buffer {
  const extra = entry.isZip64 ? Buffer.concat([zip64Extra([0, 0]), timeExtra(entry)]) : timeExtra(entry);
  const record = Buffer.alloc(30);
  record.writeUInt32LE(0x04034b50, 0);
  writeCommon(record, 4, entry);
  if (entry.isZip64) {
    record.writeUInt32LE(MAX_32, 18);
    record.writeUInt32LE(MAX_32, 22);
  } else if (!entry.isStreamed) {
    record.writeUInt32LE(entry.storedSize, 18);
    record.writeUInt32LE(entry.size, 22);
  }
  record.writeUInt16LE(extra.length, 28);
  return Buffer.concat([record, entry.name, extra]);
}

export function dataDescriptor({ crc, size, storedSize, isZip64 }: ZipEntry): Buffer {
  const record = Buffer.alloc(isZip64 ? 24 : 16);
  record.writeUInt32LE(0x08074b50, 0);
  record.writeUInt32LE(crc, 4);
  if (isZip64) {
    record.writeBigUInt64LE(BigInt(storedSize), 8);
    record.writeBigUInt64LE(BigInt(size), 16);
  } else {
    record.writeUInt32LE(storedSize, 8);
    record.writeUInt32LE(size, 12);
  }
  return record;
}

export function centralRecord(entry: ZipEntry): Buffer {
  // Only what has no room goes into the extra field, in this order.
  const isLarge = entry.isZip64;
  const isFar = entry.offset >= MAX_32;
  const wide = [...(isLarge ? [entry.size, entry.storedSize] : []), ...(isFar ? [entry.offset] : [])];
  const extra = wide.length > 0 ? Buffer.concat([zip64Extra(wide), timeExtra(entry)]) : timeExtra(entry);
  const record = Buffer.alloc(46);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(MADE_BY, 4);
  writeCommon(record, 6, entry);
  record.writeUInt32LE(isLarge ? MAX_32 : entry.storedSize, 20);
  record.writeUInt32LE(isLarge ? MAX_32 : entry.size, 24);
  record.writeUInt16LE(extra.length, 30);
  record.writeUInt32LE((entry.unixMode << 16) >>> 0, 38);
  record.writeUInt32LE(isFar ? MAX_32 : entry.offset, 42);
  return Buffer.concat([record, entry.name, extra]);
}

/** @param start where the central directory begins */
export function endOfCentralDirectory(entries: number, start: number, length: number): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(Math.min(entries, MAX_16), 8);
  record.writeUInt16LE(Math.min(entries, MAX_16), 10);
  record.writeUInt32LE(Math.min(length, MAX_32), 12);
  record.writeUInt32LE(Math.min(start, MAX_32), 16);
  if (entries < MAX_16 && length < MAX_32 && start < MAX_32) return record;
  return Buffer.concat([zip64End(entries, start, length), record]);
}

function zip64End(entries: number, start: number, length: number): Buffer {
  const record = Buffer.alloc(76);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(MADE_BY, 12);
  record.writeUInt16LE(45, 14);
  record.writeBigUInt64LE(BigInt(entries), 24);
  record.writeBigUInt64LE(BigInt(entries), 32);
  record.writeBigUInt64LE(BigInt(length), 40);
  record.writeBigUInt64LE(BigInt(start), 48);
  // The locator, which says where this record is.
  record.writeUInt32LE(0x07064b50, 56);
  record.writeBigUInt64LE(BigInt(start + length), 64);
  record.writeUInt32LE(1, 72);
  return record;
}

/** Version, flags, method, time, sum and length of the name, which local and central records share. */
function writeCommon(record: Buffer, at: number, entry: ZipEntry): void {
  const { time, date } = dosTime(entry.modifiedMs);
  record.writeUInt16LE(entry.isZip64 ? 45 : 20, at);
  record.writeUInt16LE((entry.isStreamed ? FLAG_STREAMED : 0) | (entry.isUtf8 ? FLAG_UTF8 : 0), at + 2);
  record.writeUInt16LE(entry.isDeflated ? METHOD_DEFLATE : 0, at + 4);
  record.writeUInt16LE(time, at + 6);
  record.writeUInt16LE(date, at + 8);
  record.writeUInt32LE(entry.crc, at + 10);
  record.writeUInt16LE(entry.name.length, at + 22);
}

function zip64Extra(values: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(0x0001, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  for (const [index, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * index);
  return extra;
}

/** The time in seconds since 1970 ("UT" of Info-ZIP), where it has room in four bytes. */
function timeExtra({ modifiedMs }: ZipEntry): Buffer {
  const seconds = Math.floor(modifiedMs / 1000);
  if (Math.abs(seconds) > 0x7fffffff) return Buffer.alloc(0);
  const extra = Buffer.alloc(9);
  extra.writeUInt16LE(0x5455, 0);
  extra.writeUInt16LE(5, 2);
  extra.writeUInt8(1, 4);
  extra.writeInt32LE(seconds, 5);
  return extra;
}

/** The time as MS-DOS wrote it, in UTC, from 1980 on in steps of two seconds. */
function dosTime(modifiedMs: number): { readonly time: number; readonly date: number } {
  const on = new Date(Math.min(Math.max(modifiedMs, Date.UTC(1980, 0, 1)), Date.UTC(2107, 11, 31)));
  const time = (on.getUTCHours() << 11) | (on.getUTCMinutes() << 5) | (on.getUTCSeconds() >> 1);
  const date = ((on.getUTCFullYear() - 1980) << 9) | ((on.getUTCMonth() + 1) << 5) | on.getUTCDate();
  return { time, date };
}
