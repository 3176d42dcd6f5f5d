import { isUtf8 } from "node:buffer";
import { getMimeType, mimes } from "hono/utils/mime";

const TEXT = "text/plain; charset=utf-8";
const BINARY = "application/octet-stream";

/** How many bytes from the start of a file decide whether it is text. */
export const SNIFFED_BYTES = 8192;

/** By extension, beside those that Hono knows. A compressed file is what it is, not what is in it. */
const MORE: Readonly<Record<string, string>> = {
  bz2: "application/x-bzip2",
  cif: TEXT,
  ts: TEXT,
  md: "text/markdown; charset=utf-8",
  svgz: "application/gzip",
  tar: "application/x-tar",
  tgz: "application/gzip",
  toml: TEXT,
  tsv: "text/tab-separated-values; charset=utf-8",
  xz: "application/x-xz",
  yaml: TEXT,
  yml: TEXT,
  zst: "application/zstd",
  "7z": "application/x-7z-compressed",
};

const KNOWN = { ...mimes, ...MORE };

/**
 * The `Content-Type` of a file: by the extension of its name, else by its content, which is text or not.
 *
 * @param start the first {@link SNIFFED_BYTES} bytes, or the whole of a shorter file; asked for only when needed
 */
export async function mediaTypeOfFile(name: string, start: () => Promise<Uint8Array>): Promise<string> {
  return getMimeType(name, KNOWN) ?? (isText(await start()) ? TEXT : BINARY);
}

/** The `Content-Type` of an archive that is downloaded under `name`. */
export function mediaTypeOfArchive(name: string): string {
  if (/\.tar(\.(gz|xz|bz2))?$/i.test(name)) return "application/x-tar";
  return getMimeType(name, KNOWN) ?? TEXT;
}

/** UTF-8, or some other encoding that has no control characters but those for lines, tabs, pages and colours. */
function isText(start: Uint8Array): boolean {
  for (const byte of start) {
    if (byte < 0x20 && (byte < 0x07 || byte > 0x0d) && byte !== 0x1b) return false;
  }
  // The last character may be cut in two.
  const cuts = start.length < SNIFFED_BYTES ? [0] : [0, 1, 2, 3];
  return cuts.some((cut) => isUtf8(start.subarray(0, start.length - cut))) || isMostlyAscii(start);
}

/** Latin-1 text has some bytes above 127, compressed or encrypted data has them everywhere. */
function isMostlyAscii(start: Uint8Array): boolean {
  let high = 0;
  for (const byte of start) if (byte > 0x7f) high += 1;
  return high * 10 < start.length;
}
