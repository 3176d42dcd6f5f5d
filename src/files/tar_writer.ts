import { Buffer } from "node:buffer";
import { PieceCollector, readLarge, readSmall, SMALL_FILE_BYTES } from "./file_pieces.ts";
import type { TreeEntry } from "./tree_walker.ts";

const BLOCK = 512;

/** tar(1) pads archives to a multiple of this. */
const RECORD = 20 * BLOCK;

/** Longest name and link target that the header has room for. */
const MAX_NAME_BYTES = 100;

/** Largest number that eleven octal digits can hold. */
const MAX_OCTAL = 8 ** 11 - 1;

/**
 * Entries as a tar archive in the GNU format (`tar(5)`): names are bytes of any encoding and length, files of any
 * size. Owners are left out.
 *
 * The `tar` program is not used, because it opens files by their paths: a link that is swapped between its list and
 * its reading would lead it out of the job.
 *
 * A file that becomes shorter while it is read is filled up with zeros, as tar does.
 */
export async function* tarArchive(entries: AsyncIterable<TreeEntry>): AsyncGenerator<Uint8Array, void, undefined> {
  const { shares, close } = tarShares(entries, 1);
  try {
    for (const { bytes } of shares) yield* bytes;
  } finally {
    await close();
  }
}

/** One of several archives that have a tree between them. */
export interface TarShare {
  readonly bytes: AsyncGenerator<Uint8Array, void, undefined>;
  /** True when it was asked for its first bytes. */
  readonly hasBegun: boolean;
}

/**
 * The same entries in several archives, which are read at the same time: each file and link is whole in one of them, and
 * whoever asks gets what comes next. Directories are in all of them, before what is in them: tar(1) fails when another
 * process makes a directory that it was about to make for a file.
 *
 * @returns the archives, and what is to be called when nobody reads them any more
 */
export function tarShares(
  entries: AsyncIterable<TreeEntry>,
  count: number,
): { readonly shares: readonly TarShare[]; close(): Promise<unknown> } {
  const directories: Uint8Array[] = [];
  const pieces = tarPieces(entries, count === 1 ? undefined : directories);
  const line = new WaitingLine();
  const shares = Array.from({ length: count }, () => {
    let hasBegun = false;
    async function* read(): TarShare["bytes"] {
      hasBegun = true;
      yield* share(pieces, directories, line);
    }
    return {
      bytes: read(),
      get hasBegun() {
        return hasBegun;
      },
    };
  });
  return { shares, close: () => pieces.return() };
}

/** Takes pieces when it is its turn: one, or as many as an entry goes on for. */
async function* share(
  pieces: AsyncGenerator<TarPiece, void, undefined>,
  directories: readonly Uint8Array[],
  line: WaitingLine,
): TarShare["bytes"] {
  let length = 2 * BLOCK;
  let made = 0;
  for (;;) {
    const leave = await line.join();
    try {
      for (let isWithin = true; isWithin; ) {
        const next = await pieces.next();
        if (made < directories.length) {
          const missing = Buffer.concat(directories.slice(made));
          made = directories.length;
          length += missing.length;
          yield missing;
        }
        if (next.done === true) {
          yield Buffer.alloc(2 * BLOCK + padding(length, RECORD).length);
          return;
        }
        isWithin = !next.value.isEnd;
        length += next.value.bytes.length;
        if (!isWithin) leave();
        yield next.value.bytes;
      }
    } finally {
      leave();
    }
  }
}

/** One at a time, first come, first served. */
class WaitingLine {
  #last: Promise<void> = Promise.resolve();

  /** Waits for its turn. @returns ends it; idempotent */
  async join(): Promise<() => void> {
    const turn = Promise.withResolvers<void>();
    const before = this.#last;
    this.#last = turn.promise;
    await before;
    return turn.resolve;
  }
}

/** Part of an archive. */
interface TarPiece {
  readonly bytes: Uint8Array;
  /** False when its last entry goes on in the next piece. */
  readonly isEnd: boolean;
}

/**
 * All but the end of an archive.
 *
 * @param directories takes the directories, instead of the pieces; nothing is added to it while an entry goes on
 */
async function* tarPieces(
  entries: AsyncIterable<TreeEntry>,
  directories: Uint8Array[] | undefined,
): AsyncGenerator<TarPiece, void, undefined> {
  const out = new PieceCollector();
  for await (const entry of entries) {
    if (entry.type === "directory" && directories !== undefined) {
      const headers = new PieceCollector();
      addHeaders(headers, entry);
      directories.push(headers.take());
      continue;
    }
    addHeaders(out, entry);
    let isCut = false;
    if (entry.type === "file") {
      const { fd, size } = entry;
      const end = out.total + size;
      if (size <= SMALL_FILE_BYTES) {
        out.add(readSmall(fd, size));
      } else {
        for await (const piece of readLarge(fd, size)) {
          out.add(piece);
          if (!out.isFull) continue;
          isCut = true;
          yield { bytes: out.take(), isEnd: false };
        }
      }
      for (let missing = end - out.total; missing > 0; missing = end - out.total) {
        out.add(Buffer.alloc(Math.min(missing, RECORD)));
        if (!out.isFull) continue;
        isCut = true;
        yield { bytes: out.take(), isEnd: false };
      }
      out.add(padding(size, BLOCK));
    }
    if (out.isFull || isCut) yield { bytes: out.take(), isEnd: true };
  }
  yield { bytes: out.take(), isEnd: true };
}

function addHeaders(out: PieceCollector, entry: TreeEntry): void {
  const name = Buffer.from(entry.type === "directory" ? `${entry.path}/` : entry.path, "latin1");
  const target = Buffer.from(entry.type === "link" ? entry.target : "", "latin1");
  if (target.length > MAX_NAME_BYTES) addLongName(out, "K", target);
  if (name.length > MAX_NAME_BYTES) addLongName(out, "L", name);
  out.add(
    header({
      name,
      target,
      mode: entry.mode,
      size: entry.type === "file" ? entry.size : 0,
      modifiedS: Math.floor(entry.modifiedMs / 1000),
      type: { file: "0", link: "2", directory: "5" }[entry.type],
    }),
  );
}

/** An entry of its own, before the one that it belongs to. */
function addLongName(out: PieceCollector, type: "K" | "L", name: Buffer): void {
  const size = name.length + 1;
  out.add(
    header({ name: Buffer.from("././@LongLink"), target: Buffer.alloc(0), mode: 0o644, size, modifiedS: 0, type }),
  );
  out.add(name);
  out.add(Buffer.alloc(1));
  out.add(padding(size, BLOCK));
}

interface Header {
  readonly name: Buffer;
  readonly target: Buffer;
  readonly mode: number;
  readonly size: number;
  readonly modifiedS: number;
  readonly type: string;
}

function header({ name, target, mode, size, modifiedS, type }: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0, 0, MAX_NAME_BYTES);
  writeNumber(block, 100, 8, mode);
  writeNumber(block, 108, 8, 0);
  writeNumber(block, 116, 8, 0);
  writeNumber(block, 124, 12, size);
  writeNumber(block, 136, 12, modifiedS);
  // The sum counts itself as blanks.
  block.fill(" ", 148, 156);
  block.write(type, 156, "latin1");
  target.copy(block, 157, 0, MAX_NAME_BYTES);
  block.write("ustar  \0", 257, "latin1");
  let sum = 0;
  // By its index: an iterator takes ten times as long, which counts for small files.
  for (let at = 0; at < BLOCK; at++) sum += block[at] ?? 0;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** In octal digits; what has no room so, and times before 1970, in base 256. */
function writeNumber(block: Buffer, at: number, width: number, value: number): void {
  if (value >= 0 && value <= (width === 12 ? MAX_OCTAL : 8 ** (width - 1) - 1)) {
    block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
    return;
  }
  block.writeBigInt64BE(BigInt(value), at + width - 8);
  block.fill(value < 0 ? 0xff : 0x00, at, at + width - 8);
  block.writeUInt8(value < 0 ? 0xff : 0x80, at);
}

function padding(length: number, unit: number): Buffer {
  return Buffer.alloc((unit - (length % unit)) % unit);
}
