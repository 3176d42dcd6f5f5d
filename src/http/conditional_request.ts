import { createHash } from "node:crypto";
import type { EdgeContext } from "./edge.ts";
import type { JobFile } from "./job_files.ts";

/** What tells one version of a file from another. */
export interface Validators {
  /** Strong, with its quotes. */
  readonly etag: string;
  /** Milliseconds since 1970, whole seconds. */
  readonly modifiedMs: number;
}

export function validatorsOf({ size, modifiedNs, inode }: JobFile): Validators {
  const etag = createHash("sha256").update(`${size} ${modifiedNs} ${inode}`).digest("hex").slice(0, 32);
  return { etag: `"${etag}"`, modifiedMs: Number(modifiedNs / 1_000_000_000n) * 1000 };
}

/** The headers that carry `validators`. */
export function validatorHeaders({ etag, modifiedMs }: Validators): Readonly<Record<string, string>> {
  return { etag, "last-modified": new Date(modifiedMs).toUTCString() };
}

/** True when the client has this version already, by `If-None-Match`, else by `If-Modified-Since` (RFC 9110 §13.2.2). */
export function isNotModified(c: EdgeContext, { etag, modifiedMs }: Validators): boolean {
  const tags = c.req.header("if-none-match");
  if (tags !== undefined) {
    return tags.trim() === "*" || tags.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
  }
  const sinceMs = Date.parse(c.req.header("if-modified-since") ?? "");
  return modifiedMs <= sinceMs;
}

/** False when `If-Range` says that the client holds part of another version, so that it needs the whole. */
export function isRangeWanted(c: EdgeContext, { etag, modifiedMs }: Validators): boolean {
  const condition = c.req.header("if-range")?.trim();
  return condition === undefined || condition === etag || Date.parse(condition) === modifiedMs;
}
