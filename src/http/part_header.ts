import { Buffer } from "node:buffer";

/** What the header of a part of `multipart/form-data` (RFC 7578) says. */
export interface PartHeader {
  /** Name of the form field; undefined when the part has none, which RFC 7578 §4.2 does not allow. */
  readonly name: string | undefined;
  /** Undefined makes the part a text field; a file may have an empty name. */
  readonly fileName: string | undefined;
  /** Media type without parameters, in lower case; empty when the part has none. */
  readonly mediaType: string;
}

/**
 * @param block header lines without the empty line at the end
 * @returns undefined when a line is no header
 */
export function parsePartHeader(block: Uint8Array): PartHeader | undefined {
  // Browsers and curl write names in UTF-8, older clients in Latin-1.
  const text = decodeText(block).replace(/\r\n[ \t]+/g, " ");
  const headers = new Map<string, string>();
  for (const line of text === "" ? [] : text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 1 || /[\r\n]/.test(line)) return undefined;
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const parameters = dispositionParameters(headers.get("content-disposition") ?? "");
  const mediaType = (headers.get("content-type") ?? "").split(";")[0] ?? "";
  return {
    name: parameters.get("name"),
    fileName: extendedValue(parameters.get("filename*")) ?? parameters.get("filename"),
    mediaType: mediaType.trim().toLowerCase(),
  };
}

/** UTF-8 when it is that, else Latin-1, in which every byte is a character. */
export function decodeText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString("utf8");
  return text.includes("\ufffd") && !Buffer.from(text, "utf8").equals(buffer) ? buffer.toString("latin1") : text;
}

/** A quoted string as RFC 9110 §5.6.4 has it, up to the next parameter or the end. */
const QUOTED = /\s*"((?:[^"\\]|\\.)*)"\s*(?=;|$)/y;
/** What clients send that do not escape: up to the first quote before the next parameter or the end. */
const SLOPPY = /\s*"(.*?)"\s*(?=;|$)/y;
const BARE = /\s*([^;]*)/y;
const NAME = /;\s*([^=;\s]+)\s*=/y;

function dispositionParameters(value: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  let at = value.indexOf(";");
  if (!/^form-data\s*(?:;|$)/i.test(value)) return parameters;
  while (at !== -1 && at < value.length) {
    const name = match(NAME, value, at);
    if (name === undefined) {
      at = value.indexOf(";", at + 1);
      continue;
    }
    const found = match(QUOTED, value, name.end) ?? match(SLOPPY, value, name.end);
    const bare = found ?? match(BARE, value, name.end);
    if (bare === undefined) break;
    const key = name.text.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, found === undefined ? bare.text.trim() : unescapeQuotes(bare.text));
    at = bare.end;
  }
  return parameters;
}

function match(pattern: RegExp, text: string, at: number): { readonly text: string; readonly end: number } | undefined {
  pattern.lastIndex = at;
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : { text: found, end: pattern.lastIndex };
}

/**
 * Clients write a quote inside a name as `\"` (curl), `%22` (browsers, fetch of Node) or as it is. Another backslash
 * is part of the name, e.g. of a path on Windows.
 */
function unescapeQuotes(text: string): string {
  return text.replace(/\\(["\\])/g, "$1").replaceAll("%22", '"');
}

/** A value with character set (RFC 8187), e.g. `UTF-8''na%C3%AFve.zip`; undefined when it cannot be decoded. */
function extendedValue(value: string | undefined): string | undefined {
  const [, charset, encoded] = /^([^']*)'[^']*'(.*)$/.exec(value ?? "") ?? [];
  if (charset === undefined || encoded === undefined) return undefined;
  if (/^(?:iso-8859-1|latin1)$/i.test(charset)) {
    return encoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  if (!/^utf-?8$/i.test(charset)) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    // The plain `filename` beside it is the fallback that RFC 6266 §4.3 asks for.
    return undefined;
  }
}
