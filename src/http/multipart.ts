import { Buffer } from "node:buffer";
import { type PartHeader, parsePartHeader } from "./part_header.ts";

/** What a multipart body consists of, in its order: each part is a header, any number of data events and an end. */
export type MultipartEvent =
  | { readonly type: "part"; readonly header: PartHeader }
  | { readonly type: "data"; readonly bytes: Uint8Array }
  | { readonly type: "part_end" };

/** What stands behind the bytes of a delimiter: the end of its line, the end of the form, or content after all. */
type DelimiterLine =
  | { readonly type: "next" | "last"; readonly end: number }
  | { readonly type: "content" }
  | { readonly type: "incomplete" };

/** The body is no multipart body, or ends too early. */
export class MultipartError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MultipartError";
  }
}

/** Longest header of a part, as with other servers. */
const MAX_HEADER_BYTES = 16_384;

/** Blanks that may stand between a delimiter and its line end (RFC 2046 §5.1.1). */
const MAX_PADDING_BYTES = 256;

const HEADER_END = Buffer.from("\r\n\r\n");
const NOTHING = Buffer.alloc(0);
const CR = 13;

/**
 * The boundary that a content type of `multipart/form-data` names.
 *
 * @returns undefined when it names none
 */
export function boundaryOf(contentType: string): string | undefined {
  const [, quoted, bare] = /;\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType) ?? [];
  return quoted ?? bare;
}

/**
 * Splits a body of `multipart/form-data` (RFC 7578, RFC 2046 §5.1) that comes in pieces of any size. It holds back no
 * more than one header or delimiter, so memory does not grow with the body.
 *
 * Written here because the usual parsers drop a part whose file name has an unescaped quote, and take a file with an
 * empty name for a text field.
 */
export class MultipartParser {
  readonly #delimiter: Buffer;
  #state: "preamble" | "header" | "data" | "epilogue" = "preamble";
  /** What could not be judged yet. The first delimiter may stand at the very start, without its line break. */
  #rest = Buffer.from("\r\n");

  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
  }

  /** @throws {MultipartError} */
  *push(chunk: Uint8Array): Generator<MultipartEvent> {
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const data = this.#rest.length === 0 ? view : Buffer.concat([this.#rest, view]);
    this.#rest = NOTHING;
    let at: number | undefined = 0;
    while (at !== undefined && this.#state !== "epilogue") {
      at = this.#state === "header" ? yield* this.#header(data, at) : yield* this.#content(data, at);
    }
  }

  /** To be called at the end of the body. @throws {MultipartError} when its closing delimiter did not come */
  finish(): void {
    if (this.#state !== "epilogue") throw new MultipartError("The multipart body ends too early");
  }

  /** @returns where to go on, or undefined when more has to come first */
  *#header(data: Buffer, at: number): Generator<MultipartEvent, number | undefined> {
    // A part without any header line starts with the empty line itself.
    const isBare = data[at] === CR && data[at + 1] === 10;
    const end = isBare ? at : data.indexOf(HEADER_END, at);
    if ((end === -1 ? data.length : end) - at > MAX_HEADER_BYTES) {
      throw new MultipartError("The header of a part is too long");
    }
    if (end === -1) return this.#keep(data, at);
    const header = parsePartHeader(data.subarray(at, end));
    if (header === undefined) throw new MultipartError("The header of a part is malformed");
    this.#state = "data";
    yield { type: "part", header };
    return isBare ? end + 2 : end + HEADER_END.length;
  }

  /** Content of a part, or what stands before the first delimiter, up to the next delimiter. */
  *#content(data: Buffer, at: number): Generator<MultipartEvent, number | undefined> {
    let found = data.indexOf(this.#delimiter, at);
    let line = this.#delimiterLine(data, found);
    while (line.type === "content") {
      found = data.indexOf(this.#delimiter, found + 1);
      line = this.#delimiterLine(data, found);
    }
    const end = found === -1 ? this.#startOfPartialDelimiter(data, at) : found;
    const isData = this.#state === "data";
    if (isData && end > at) yield { type: "data", bytes: data.subarray(at, end) };
    if (line.type === "incomplete") return this.#keep(data, end);
    this.#state = line.type === "next" ? "header" : "epilogue";
    if (isData) yield { type: "part_end" };
    return line.end;
  }

  /** What the bytes behind a delimiter make of it. */
  #delimiterLine(data: Buffer, found: number): DelimiterLine {
    if (found === -1) return { type: "incomplete" };
    const start = found + this.#delimiter.length;
    const line = data.toString("latin1", start, start + MAX_PADDING_BYTES);
    if (line.startsWith("--")) return { type: "last", end: start + 2 };
    const next = /^[ \t]*\r\n/.exec(line);
    if (next !== null) return { type: "next", end: start + next[0].length };
    const isOpen = /^(?:-|[ \t]*\r?)$/.test(line) && line.length < MAX_PADDING_BYTES;
    return { type: isOpen ? "incomplete" : "content" };
  }

  /** Where the end of `data` may be the beginning of a delimiter; its length when it is not. */
  #startOfPartialDelimiter(data: Buffer, from: number): number {
    let start = data.indexOf(CR, Math.max(from, data.length - this.#delimiter.length + 1));
    while (start !== -1 && !data.subarray(start).equals(this.#delimiter.subarray(0, data.length - start))) {
      start = data.indexOf(CR, start + 1);
    }
    return start === -1 ? data.length : start;
  }

  #keep(data: Buffer, at: number): undefined {
    // A copy, so that a few bytes do not hold on to a whole chunk.
    this.#rest = Buffer.from(data.subarray(at));
  }
}
