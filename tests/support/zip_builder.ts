import { crc32, deflateRawSync } from "node:zlib";

/** One entry of an archive. Everything that is left out is made right; everything given is written as it is. */
export interface ZipEntrySpec {
  /** Text is written as UTF-8 and flagged so, bytes as they are and not flagged. */
  readonly name: string | Uint8Array;
  readonly content?: string | Uint8Array;
  readonly isStored?: boolean;
  /** Mode of `stat(2)` with the file type, e.g. `0o100755`. */
  readonly mode?: number;
  /** System that made the entry: 0 MS-DOS, 3 Unix (default), 19 macOS. */
  readonly host?: number;
  readonly method?: number;
  readonly flags?: number;
  readonly crc32?: number;
  /** In both headers. */
  readonly size?: number;
  readonly compressedSize?: number;
  /** Only in the local header. */
  readonly localName?: string;
  readonly localSize?: number;
  readonly localCrc32?: number;
  readonly localMethod?: number;
  /** Bytes in the place of the compressed content. */
  readonly data?: Uint8Array;
  /** Local header of another entry, by its index, in the place of an own one. */
  readonly sharesDataOf?: number;
  /** Extra field of the central directory. */
  readonly extra?: Uint8Array;
  /** Length of an extra field of zeros in the local header. */
  readonly localExtraLength?: number;
  /** Sizes in a zip64 extra field, with 0xffffffff in the fields of the header. */
  readonly isZip64?: boolean;
  /** Sizes and checksum behind the data, zeros in the local header. */
  readonly hasDescriptor?: boolean;
}

export interface ZipOptions {
  /** Number of entries in the end record. */
  readonly entryCount?: number;
  /** Write the central directory in this order. */
  readonly centralOrder?: readonly number[];
  readonly comment?: string;
}

/** Writes a zip archive (PKWARE APPNOTE) that may lie in every field. */
export function buildZip(entries: readonly ZipEntrySpec[], options: ZipOptions = {}): Buffer<ArrayBuffer> {
  const chunks: Buffer[] = [];
  let offset = 0;
  const add = (chunk: Buffer): void => {
    chunks.push(chunk);
    offset += chunk.length;
  };
  const records: Record[] = [];
  for (const entry of entries) {
    const record = describe(entry, offset, records);
    records.push(record);
    if (entry.sharesDataOf !== undefined) continue;
    add(localHeader(entry, record));
    add(record.data);
    if (entry.hasDescriptor === true)
      add(fields([4, 0x08074b50], [4, record.crc], [4, record.compressedSize], [4, record.size]));
  }
  const start = offset;
  for (const at of options.centralOrder ?? entries.keys()) {
    const [entry, record] = [entries[at], records[at]];
    if (entry !== undefined && record !== undefined) add(centralHeader(entry, record));
  }
  const count = options.entryCount ?? entries.length;
  const comment = Buffer.from(options.comment ?? "");
  const end = fields(
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, count],
    [2, count],
    [4, offset - start],
    [4, start],
    [2, comment.length],
  );
  return Buffer.concat([...chunks, end, comment]);
}

interface Record {
  readonly offset: number;
  readonly name: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly data: Buffer;
}

function describe(entry: ZipEntrySpec, offset: number, before: readonly Record[]): Record {
  const content = Buffer.from(entry.content ?? "");
  const isStored = entry.isStored ?? content.length === 0;
  const data = Buffer.from(entry.data ?? (isStored ? content : deflateRawSync(content)));
  return {
    offset: entry.sharesDataOf === undefined ? offset : (before[entry.sharesDataOf]?.offset ?? 0),
    name: Buffer.from(entry.name),
    flags: entry.flags ?? (typeof entry.name === "string" ? 0x800 : 0) | (entry.hasDescriptor === true ? 8 : 0),
    method: entry.method ?? (isStored ? 0 : 8),
    crc: entry.crc32 ?? crc32(content),
    compressedSize: entry.compressedSize ?? data.length,
    size: entry.size ?? content.length,
    data,
  };
}

function localHeader(entry: ZipEntrySpec, record: Record): Buffer {
  const name = entry.localName === undefined ? record.name : Buffer.from(entry.localName);
  const extra = Buffer.concat([
    entry.isZip64 === true ? fields([2, 1], [2, 16], [8, record.size], [8, record.compressedSize]) : Buffer.alloc(0),
    Buffer.alloc(entry.localExtraLength ?? 0),
  ]);
  const known = (value: number): number => (entry.hasDescriptor === true ? 0 : value);
  const size = (value: number): number => (entry.isZip64 === true ? 0xffffffff : known(value));
  return Buffer.concat([
    fields([4, 0x04034b50], [2, 20], [2, record.flags], [2, entry.localMethod ?? record.method], [4, 0]),
    fields([4, entry.localCrc32 ?? known(record.crc)], [4, size(record.compressedSize)]),
    fields([4, size(entry.localSize ?? record.size)], [2, name.length], [2, extra.length]),
    name,
    extra,
  ]);
}

function centralHeader(entry: ZipEntrySpec, record: Record): Buffer {
  const extra = Buffer.concat([
    entry.isZip64 === true ? fields([2, 1], [2, 16], [8, record.size], [8, record.compressedSize]) : Buffer.alloc(0),
    entry.extra ?? Buffer.alloc(0),
  ]);
  const size = (value: number): number => (entry.isZip64 === true ? 0xffffffff : value);
  return Buffer.concat([
    fields(
      [4, 0x02014b50],
      [2, ((entry.host ?? 3) << 8) | 30],
      [2, 20],
      [2, record.flags],
      [2, record.method],
      [4, 0],
      [4, record.crc],
    ),
    fields([4, size(record.compressedSize)], [4, size(record.size)], [2, record.name.length], [2, extra.length]),
    fields([2, 0], [2, 0], [2, 0], [4, ((entry.mode ?? 0o100644) << 16) >>> 0], [4, record.offset]),
    record.name,
    extra,
  ]);
}

/** Little-endian numbers of 2, 4 or 8 bytes. */
function fields(...values: readonly (readonly [2 | 4 | 8, number])[]): Buffer {
  return Buffer.concat(
    values.map(([width, value]) => {
      const bytes = Buffer.alloc(width);
      if (width === 8) bytes.writeBigUInt64LE(BigInt(value));
      else bytes.writeUIntLE(value, 0, width);
      return bytes;
    }),
  );
}

/** Extra field 0x7075: the name once more in UTF-8, tied to the other one by its checksum. */
export function unicodePathExtra(rawName: Uint8Array, name: string): Buffer {
  const utf8 = Buffer.from(name);
  return Buffer.concat([
    fields([2, 0x7075], [2, 5 + utf8.length]),
    Buffer.from([1]),
    fields([4, crc32(rawName)]),
    utf8,
  ]);
}
