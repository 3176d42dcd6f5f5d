import { createHash } from "node:crypto";
import { isNotModified } from "./conditional_request.ts";
import type { EdgeContext } from "./edge.ts";

/** Something that is sent as it is, again and again. */
export interface StaticContent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  /** With its quotes. */
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** @param headers further headers, e.g. a policy */
export function staticContent(
  bytes: Uint8Array<ArrayBuffer>,
  contentType: string,
  headers: Readonly<Record<string, string>> = {},
): StaticContent {
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 27)}"`;
  return { bytes, contentType, etag, headers };
}

/** Sends `content`, or 304 when the client has it already (RFC 9110 §13.1.2). */
export function sendStatic(c: EdgeContext, { bytes, contentType, etag, headers }: StaticContent): Response {
  // Browsers ask every time and get a 304; so an upgrade of the service shows at once.
  const validators = { ...headers, etag, "cache-control": "no-cache" };
  // When it was last modified is not known.
  if (isNotModified(c, { etag, modifiedMs: Number.POSITIVE_INFINITY })) {
    return new Response(null, { status: 304, headers: validators });
  }
  const length = { "content-type": contentType, "content-length": String(bytes.length) };
  return new Response(bytes, { headers: { ...validators, ...length } });
}
