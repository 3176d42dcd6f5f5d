import { Buffer, isUtf8 } from "node:buffer";
import { type Entry, fromRandomAccessReader, getFileNameLowLevel, RandomAccessReader, type ZipFile } from "yauzl";
import { messageOf } from "../core/errors.ts";
import type { Turns } from "../files/turns.ts";
import type { ByteSource } from "./byte_source.ts";
import { PathTree } from "./path_tree.ts";
import { Refusal } from "./refusal.ts";
import { RATIO_JUDGED_ABOVE_BYTES, type UploadLimits } from "./upload_limits.ts";
import { checkedPath, refused } from "./zip_path.ts";

/** One file of an archive, as its central directory describes it. */
export interface ZipMember {
  /** Shortest form, relative to the top of the archive. */
  readonly path: string;
  /** The bytes of the name as Latin-1, to compare with the local header. */
  readonly rawName: string;
  readonly isCompressed: boolean;
  readonly isExecutable: boolean;
  readonly crc32: number;
  readonly compressedSize: number;
  readonly size: number;
  /** Where its local header starts. */
  readonly headerOffset: number;
}

/** The content of an archive after every check that needs no file data. */
export interface ZipIndex {
  /** In the order in which they lie in the archive. */
  readonly files: readonly ZipMember[];
  readonly tree: PathTree;
  /** Of all files together. */
  readonly expandedBytes: number;
  /** Where file data has to end: the start of the central directory. */
  readonly dataEnd: number;
}

const CENTRAL_HEADER_SIGNATURE = 0x02014b50;
const [STORED, DEFLATED] = [0, 8];
const ENCRYPTED_FLAGS = 0x41;
const UTF8_FLAG = 0x800;
/** Unix and macOS, in the upper byte of "version made by". */
const UNIX_HOSTS: readonly number[] = [3, 19];

/** File types in the upper half of the external attributes (`stat(2)`); 0 stands for tools that write none. */
const [TYPE_MASK, TYPE_REGULAR, TYPE_DIRECTORY] = [0o170000, 0o100000, 0o040000];

/**
 * Reads the central directory of a zip archive (PKWARE APPNOTE 4.3.12, zip64 included) and checks every entry.
 *
 * @throws {Refusal} 422 when it is no sound archive or holds something that must not be unpacked, 413 when its
 *   content is beyond a limit
 */
export async function readZipIndex(source: ByteSource, limits: UploadLimits, turns: Turns): Promise<ZipIndex> {
  const directory = openCentralDirectory(source);
  if (directory.entryCount > limits.maxEntries) throw tooManyEntries(limits);
  const tree = new PathTree(limits.wantsDistinctNames);
  const files: ZipMember[] = [];
  let size = 0;
  for (let count = 0; count < directory.entryCount; count += 1) {
    const member = addEntry(directory.next(), tree);
    if (tree.size > limits.maxEntries) throw tooManyEntries(limits);
    if (member !== undefined) {
      files.push(member);
      size += member.size;
      if (size > limits.maxExpandedBytes) {
        throw new Refusal(413, `Archive expands to more than ${limits.maxExpandedBytes} bytes`);
      }
    }
    const turn = turns.next();
    if (turn !== undefined) await turn;
  }
  directory.checkEnd();
  if (size > RATIO_JUDGED_ABOVE_BYTES && size > limits.maxRatio * source.size) {
    throw new Refusal(413, `Archive expands to more than ${limits.maxRatio} times its size`);
  }
  return { files: inArchiveOrder(files), tree, expandedBytes: size, dataEnd: directory.start };
}

/** The refusal of something that is no zip archive, or a damaged one. */
export function notAnArchive(reason: string, cause?: unknown): Refusal {
  return new Refusal(422, `Uploaded file is not a valid zip archive: ${reason}`, { cause });
}

function tooManyEntries(limits: UploadLimits): Refusal {
  return new Refusal(413, `Archive has more than ${limits.maxEntries} files and directories`);
}

/** @returns the file that the entry stands for; undefined for a directory */
function addEntry(entry: Entry, tree: PathTree): ZipMember | undefined {
  const name = nameOf(entry);
  const path = checkedPath(name);
  const mode = entry.externalFileAttributes >>> 16;
  const type = mode & TYPE_MASK;
  if (entry.generalPurposeBitFlag & ENCRYPTED_FLAGS) throw refused(name, "is encrypted");
  if (type !== 0 && type !== TYPE_REGULAR && type !== TYPE_DIRECTORY)
    throw refused(name, "is a link or a special file");
  if (name.endsWith("/") || type === TYPE_DIRECTORY || path === "") {
    if (entry.uncompressedSize > 0) throw refused(name, "is a directory with content");
    const conflict = path === "" ? undefined : tree.addDirectory(path);
    if (conflict !== undefined) throw refused(name, conflict);
    return undefined;
  }
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw refused(name, `is compressed by method ${entry.compressionMethod}, expected 0 (stored) or 8 (deflated)`);
  }
  const conflict = tree.addFile(path);
  if (conflict !== undefined) throw refused(name, conflict);
  const rawName = entry.fileNameRaw.toString("latin1");
  return {
    path,
    rawName: rawName === path ? path : rawName,
    isCompressed: entry.compressionMethod === DEFLATED,
    isExecutable: (mode & 0o100) !== 0,
    crc32: entry.crc32,
    compressedSize: entry.compressedSize,
    size: entry.uncompressedSize,
    headerOffset: entry.relativeOffsetOfLocalHeader,
  };
}

/**
 * By the rules of the format a name is UTF-8 when flagged or in an extra field, else in code page 437. Tools on Unix
 * that leave the flag out write the bytes of the file name instead, which are UTF-8 nowadays.
 */
function nameOf(entry: Entry): string {
  const raw = entry.fileNameRaw;
  const isFromUnix = UNIX_HOSTS.includes(entry.versionMadeBy >>> 8);
  const flags = isFromUnix && isUtf8(raw) ? entry.generalPurposeBitFlag | UTF8_FLAG : entry.generalPurposeBitFlag;
  const name = getFileNameLowLevel(flags, raw, entry.extraFields, true);
  if (name.includes("\ufffd") && !Buffer.from(name).equals(raw)) {
    throw refused(name, "has a name that is not valid UTF-8");
  }
  return name;
}

/** Archives are nearly always in order already; a large one that is not would take long to sort as objects. */
function inArchiveOrder(files: readonly ZipMember[]): readonly ZipMember[] {
  const isOrdered = files.every((file, at) => at === 0 || file.headerOffset >= (files[at - 1]?.headerOffset ?? 0));
  if (isOrdered) return files;
  const byOffset = new Map(files.map((file) => [file.headerOffset, file]));
  if (byOffset.size < files.length) throw notAnArchive("two entries share their data");
  const offsets = Float64Array.from(byOffset.keys()).sort();
  return Array.from(offsets, (offset) => byOffset.get(offset)).filter((file) => file !== undefined);
}

interface CentralDirectory {
  readonly entryCount: number;
  /** Offset in the archive. */
  readonly start: number;
  next(): Entry;
  /** Refuses an archive with entries beyond the announced ones, which a reader would miss in silence. */
  checkEnd(): void;
}

/** Lets the library read from `source`, whose views are at hand at once; so its callbacks run before it returns. */
class SourceReader extends RandomAccessReader {
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    super();
    this.#source = source;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    if (position + length > this.#source.size) return callback(new Error("unexpected end of file"));
    this.#source.view(position, length).copy(buffer, offset);
    callback(null);
  }
}

function openCentralDirectory(source: ByteSource): CentralDirectory {
  const heard: { zip?: ZipFile; entry?: Entry | undefined; fault?: Error } = {};
  const options = { lazyEntries: true, decodeStrings: false, autoClose: false };
  fromRandomAccessReader(new SourceReader(source), source.size, options, (error, zip) => {
    if (error === null) heard.zip = zip;
    else heard.fault = error;
  });
  const { zip } = heard;
  if (zip === undefined) throw notAnArchive(describe(heard.fault), heard.fault);

  zip.on("entry", (entry: Entry) => {
    heard.entry = entry;
  });
  zip.on("error", (error: Error) => {
    heard.fault = error;
  });
  // The library's types call this number a boolean.
  const cursor = () => Number(zip.readEntryCursor);
  return {
    entryCount: zip.entryCount,
    start: cursor(),
    next() {
      heard.entry = undefined;
      zip.readEntry();
      if (heard.entry === undefined) throw notAnArchive(describe(heard.fault), heard.fault);
      return heard.entry;
    },
    checkEnd() {
      const end = cursor();
      if (end + 4 <= source.size && source.view(end, 4).readUInt32LE(0) === CENTRAL_HEADER_SIGNATURE) {
        throw notAnArchive("it has more entries than it announces");
      }
    },
  };
}

/** An entry without any name makes the library answer later than asked; it is not valid anyway. */
function describe(fault: Error | undefined): string {
  return fault === undefined ? "an entry has no name" : messageOf(fault).replace(/\.$/, "");
}
