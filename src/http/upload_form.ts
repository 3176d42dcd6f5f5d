import { Buffer } from "node:buffer";
import { assertNever } from "../core/assert_never.ts";
import type { Clock } from "../ports/clock.ts";
import { MultipartError, type MultipartEvent, MultipartParser } from "./multipart.ts";
import { decodeText, type PartHeader } from "./part_header.ts";
import { Refusal } from "./refusal.ts";
import { bodyChunks } from "./request_body.ts";
import { Spool } from "./spool.ts";

/** What came as `upload`: the archive, or by mistake a text field. */
export type ReceivedUpload =
  | {
      readonly type: "file";
      /** As the client named it; may be empty. */
      readonly fileName: string;
      readonly mediaType: string;
      /** Undefined when the media type is not one of a zip archive; the bytes were not kept then. */
      readonly archive: Spool | undefined;
    }
  | { readonly type: "text" };

/** The form of a submission. Of a repeated part the last one counts; other files are left out. */
export interface ReceivedForm {
  readonly upload: ReceivedUpload | undefined;
  readonly fields: Readonly<Record<string, string>>;
}

export interface ReceiveOptions {
  readonly boundary: string;
  /** Private directory for large uploads. */
  readonly uploadDir: string;
  readonly maxUploadBytes: number;
  readonly clock: Clock;
  /** Asked again and again, as not every client announces how much it sends; throws when the disk has too little left. */
  checkFreeSpace(): Promise<void>;
}

/** Media types of a zip archive. */
export const ZIP_MEDIA_TYPES: readonly string[] = ["application/zip", "application/x-zip-compressed"];

const UPLOAD_PART = "upload";
const MAX_PARTS = 1000;
/** For all text fields together. */
const MAX_TEXT_BYTES = 10_000_000;
/** So much may come in before the free space is looked at again. */
const SPACE_CHECK_BYTES = 16_000_000;
/** What a body may have beside archive and text: headers of parts, and files that nobody asked for. */
const MAX_OTHER_BYTES = 32_000_000;

/**
 * Receives the form of a submission while it streams in. On success the archive is the caller's to close.
 *
 * @throws {Refusal} 400 for a body that is no multipart body or breaks off, 408 for one that does not go on, 413 for one
 *   that is too large, and what `checkFreeSpace` throws; nothing is left of it then
 */
export async function receiveForm(request: Request, options: ReceiveOptions): Promise<ReceivedForm> {
  const maxBytes = options.maxUploadBytes + MAX_TEXT_BYTES + MAX_OTHER_BYTES;
  if (Number(request.headers.get("content-length")) > maxBytes) throw uploadTooLarge(options.maxUploadBytes);
  const parser = new MultipartParser(options.boundary);
  const collector = new FormCollector(options);
  try {
    let size = 0;
    let nextCheckAt = SPACE_CHECK_BYTES;
    for await (const chunk of bodyChunks(request, options.clock)) {
      size += chunk.length;
      if (size >= nextCheckAt) {
        nextCheckAt = size + SPACE_CHECK_BYTES;
        await options.checkFreeSpace();
      }
      if (size > maxBytes) throw new Refusal(413, `Request body is larger than ${maxBytes} bytes`);
      for (const event of parser.push(chunk)) {
        const slow = collector.take(event);
        if (slow !== undefined) await slow;
      }
    }
    // A body without a single byte is a form without parts.
    if (size > 0) parser.finish();
    return collector.form();
  } catch (error) {
    await collector.discard();
    if (error instanceof MultipartError) {
      throw new Refusal(400, "There was an error parsing the body", { cause: error });
    }
    throw error;
  }
}

function uploadTooLarge(maxBytes: number): Refusal {
  return new Refusal(413, `Upload is larger than ${maxBytes} bytes`);
}

/** Where the data of the current part goes. */
type Sink =
  | { readonly type: "archive"; readonly spool: Spool }
  | { readonly type: "text"; readonly name: string; readonly chunks: Uint8Array[] }
  | { readonly type: "nowhere" };

class FormCollector {
  readonly #options: ReceiveOptions;
  readonly #fields = new Map<string, string>();
  #upload: ReceivedUpload | undefined;
  #sink: Sink = { type: "nowhere" };
  #parts = 0;
  #textBytes = 0;

  constructor(options: ReceiveOptions) {
    this.#options = options;
  }

  /** @returns a promise when the disk is asked; the next event has to wait for it */
  take(event: MultipartEvent): Promise<void> | undefined {
    switch (event.type) {
      case "part":
        return this.#begin(event.header);
      case "data":
        return this.#add(event.bytes);
      case "part_end":
        return this.#end();
      default:
        return assertNever(event);
    }
  }

  form(): ReceivedForm {
    return { upload: this.#upload, fields: Object.fromEntries(this.#fields) };
  }

  async discard(): Promise<void> {
    const upload = this.#upload;
    this.#upload = undefined;
    if (upload?.type === "file") await upload.archive?.close();
  }

  #begin({ name, fileName, mediaType }: PartHeader): Promise<void> | undefined {
    if (name === undefined) throw new MultipartError("A part has no name");
    this.#parts += 1;
    if (this.#parts > MAX_PARTS) throw new Refusal(413, `The form has more than ${MAX_PARTS} parts`);
    this.#sink = fileName === undefined ? { type: "text", name, chunks: [] } : { type: "nowhere" };
    if (name !== UPLOAD_PART) return undefined;
    const replaced = this.discard();
    if (fileName === undefined) {
      this.#upload = { type: "text" };
      return replaced;
    }
    const archive = ZIP_MEDIA_TYPES.includes(mediaType) ? new Spool(this.#options.uploadDir) : undefined;
    if (archive !== undefined) this.#sink = { type: "archive", spool: archive };
    this.#upload = { type: "file", fileName, mediaType, archive };
    return replaced;
  }

  #add(bytes: Uint8Array): Promise<void> | undefined {
    const sink = this.#sink;
    if (sink.type === "archive") {
      const { maxUploadBytes } = this.#options;
      if (sink.spool.size + bytes.length > maxUploadBytes) throw uploadTooLarge(maxUploadBytes);
      return sink.spool.write(bytes);
    }
    if (sink.type === "text") {
      this.#textBytes += bytes.length;
      if (this.#textBytes > MAX_TEXT_BYTES) {
        throw new Refusal(413, `The text fields are larger than ${MAX_TEXT_BYTES} bytes`);
      }
      sink.chunks.push(bytes);
    }
    return undefined;
  }

  #end(): undefined {
    const sink = this.#sink;
    if (sink.type === "text" && sink.name !== UPLOAD_PART) {
      this.#fields.set(sink.name, decodeText(Buffer.concat(sink.chunks)));
    }
    this.#sink = { type: "nowhere" };
  }
}
