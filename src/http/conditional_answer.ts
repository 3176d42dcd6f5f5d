import { createHash } from "node:crypto";
import type { EdgeContext } from "./edge.ts";

/** Something that is sent as it is, again and again. */
export interface StaticContent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** @param headers further headers, e.g. a policy */
export function staticContent(
  bytes: Uint8Array<ArrayBuffer>,
  contentType: string,
  headers: Readonly<Record<string, string>> = {},
): StaticContent {
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 27)}"`;
  // Browsers ask every time and get a 304; so an upgrade of the service shows at once.
  return { bytes, headers: { "content-type": contentType, "cache-control": "no-cache", etag, ...headers } };
}

/** Sends `content`, or 304 when the client has it already (RFC 9110 §13.1.2). */
export function sendStatic(c: EdgeContext, { bytes, headers }: StaticContent): Response {
  const { "content-type": _, ...validators } = headers;
  if (isKnown(c.req.header("if-none-match"), headers.etag)) {
    return new Response(null, { status: 304, headers: validators });
  }
  return new Response(bytes, { headers: { ...headers, "content-length": String(bytes.length) } });
}

function isKnown(ifNoneMatch: string | undefined, etag: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.some((tag) => tag === "*" || tag === etag);
}
