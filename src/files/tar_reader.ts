import { Buffer } from "node:buffer";
import type { RawName } from "./open_directory.ts";

const BLOCK = 512;

/** Longer names are no names. */
const MAX_NAME_BYTES = 65_536;

/** Something in an archive that comes in. */
export type TarEntry = {
  /** As in the archive; to be judged by who uses it. */
  readonly path: RawName;
  /** Permission bits and those above them, as in the archive. */
  readonly mode: number;
  /** Whole seconds since 1970. */
  readonly modifiedS: number;
} & (
  | { readonly type: "directory" }
  | {
      readonly type: "file";
      readonly size: number;
      /** The content; what is not read is skipped. */
      readonly body: AsyncIterable<Uint8Array>;
    }
  /** As in the archive; to be judged, too. */
  | { readonly type: "link"; readonly target: RawName }
);

/** A file of an archive that comes in. */
export type TarFile = Extract<TarEntry, { type: "file" }>;

/** The bytes are not an archive in the GNU format, or have in it what is not wanted. */
export class TarFormatError extends Error {}

/**
 * The files of an archive in the GNU format (`tar(5)`), as they come. Directories are passed over; anything else, and
 * bytes that make no sense, are refused: the sender is not trusted.
 *
 * @throws {TarFormatError} also when the archive breaks off
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile, void, undefined> {
  for await (const entry of readTarEntries(source)) {
    if (entry.type === "link") throw unexpected("2");
    if (entry.type === "file") yield entry;
  }
}

/**
 * The same with directories and symbolic links. What has no size of its own takes no room, so that all files together
 * are never larger than the archive; devices, hard links, sparse files and whatever else are refused.
 *
 * @throws {TarFormatError} also when the archive breaks off
 */
export async function* readTarEntries(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const bytes = new ByteReader(source);
  let longName: RawName | undefined;
  let longTarget: RawName | undefined;
  for (;;) {
    const header = await bytes.exactly(BLOCK);
    if (header.every((byte) => byte === 0)) return await bytes.drain();
    checkSum(header);
    const size = numberAt(header, 124, 12);
    const type = String.fromCharCode(header.readUInt8(156));
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    if (type === "L" || type === "K") {
      if (size > MAX_NAME_BYTES) throw new TarFormatError("A name in the archive is too long");
      const text = textAt(await bytes.exactly(padded), 0, size);
      if (type === "L") longName = text;
      else longTarget = text;
      continue;
    }
    const path = longName ?? textAt(header, 0, 100);
    const target = longTarget ?? textAt(header, 157, 100);
    longName = undefined;
    longTarget = undefined;
    const common = { path, mode: numberAt(header, 100, 8), modifiedS: timeAt(header) };
    switch (type) {
      case "0":
      case "\0": {
        let left = size;
        const body = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
          while (left > 0) {
            const piece = await bytes.atMost(left);
            left -= piece.length;
            yield piece;
          }
        };
        yield { ...common, type: "file", size, body: body() };
        await bytes.skip(left + padded - size);
        break;
      }
      case "5":
        yield { ...common, type: "directory" };
        await bytes.skip(padded);
        break;
      case "2":
        yield { ...common, type: "link", target };
        await bytes.skip(padded);
        break;
      default:
        throw unexpected(type);
    }
  }
}

function unexpected(type: string): TarFormatError {
  return new TarFormatError(`The archive has an entry of the unexpected type ${JSON.stringify(type)}`);
}

function checkSum(header: Buffer): void {
  let sum = 8 * 0x20;
  for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte;
  if (sum !== numberAt(header, 148, 8)) throw new TarFormatError("The archive is damaged");
}

function textAt(block: Buffer, at: number, width: number): RawName {
  const text = block.toString("latin1", at, at + width);
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

/** Octal digits, or base 256 when the highest bit is set. */
function numberAt(block: Buffer, at: number, width: number): number {
  const isBinary = (block.readUInt8(at) & 0x80) !== 0;
  const text = textAt(block, at, width).trim();
  const value = isBinary
    ? Number(block.readBigUInt64BE(at + width - 8))
    : /^[0-7]+$/.test(text)
      ? Number.parseInt(text, 8)
      : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new TarFormatError("The archive has a number that is none");
  return value;
}

/** A time may be before 1970; one that makes no sense is no reason to lose a file. */
function timeAt(header: Buffer): number {
  if ((header.readUInt8(136) & 0x80) === 0) return Number.parseInt(textAt(header, 136, 12).trim(), 8) || 0;
  const value = Number(header.readBigInt64BE(140));
  return Number.isSafeInteger(value) ? value : 0;
}

/** Cuts a stream into pieces of wanted lengths. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `length`. */
  async atMost(length: number): Promise<Uint8Array> {
    while (this.#held.length === 0) {
      const { done, value } = await this.#source.next();
      if (done === true) throw new TarFormatError("The archive breaks off");
      this.#held = value;
    }
    const piece = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(piece.length);
    return piece;
  }

  async exactly(length: number): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for (let left = length; left > 0; left -= pieces.at(-1)?.length ?? 0) pieces.push(await this.atMost(left));
    return pieces.length === 1 ? Buffer.from(pieces[0] ?? []) : Buffer.concat(pieces);
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) left -= (await this.atMost(left)).length;
  }

  /** Reads what follows the end, which pads the archive. */
  async drain(): Promise<void> {
    while ((await this.#source.next()).done !== true);
  }
}
