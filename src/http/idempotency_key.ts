import { Refusal } from "./refusal.ts";

/** Width of the column that keeps it. */
const MAX_KEY_LENGTH = 255;

/** A string of structured fields (RFC 9651 §3.3.3), without parameters behind it. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;
/** Not a structured field, but what most clients send. Without the characters that would join or quote several. */
const BARE = /^[!#-+\--~]+$/;

/**
 * The key of a submission that may be sent again (draft-ietf-httpapi-idempotency-key-header-06 §2). With or without
 * quotes it is the same key.
 *
 * @param header value of `Idempotency-Key`; undefined without one
 * @throws {Refusal} 400 when it is not one key of 1 to 255 printable ASCII characters
 */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const value = header.trim();
  const key = QUOTED.exec(value)?.[1]?.replace(/\\(.)/g, "$1") ?? BARE.exec(value)?.[0];
  if (key !== undefined && key.length >= 1 && key.length <= MAX_KEY_LENGTH) return key;
  const got = key === undefined || key === "" ? JSON.stringify(value.slice(0, 50)) : `${key.length} characters`;
  throw new Refusal(
    400,
    `Idempotency-Key: expected one key of 1 to ${MAX_KEY_LENGTH} printable ASCII characters, got ${got}`,
  );
}
