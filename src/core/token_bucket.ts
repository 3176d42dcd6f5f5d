/** One minute, and what one token counts in a bucket that gains `perMinute` of it each millisecond. */
const MINUTE_MS = 60_000;

/** What was taken and has not flowed back yet, in 1/60,000 of a token, so that whole milliseconds stay exact. */
export interface TokenBucket {
  readonly missing: number;
  readonly atMs: number;
}

/** A bucket with a token less, or how long to wait for one. */
export type Taking =
  | { readonly type: "taken"; readonly bucket: TokenBucket }
  | { readonly type: "refused"; readonly waitMs: number };

/**
 * Takes one token. A bucket holds `perMinute` tokens, all of which may be taken at once, and fills up evenly.
 *
 * @param bucket undefined for a full one
 * @param nowMs of a clock that never goes back
 */
export function takeToken(bucket: TokenBucket | undefined, perMinute: number, nowMs: number): Taking {
  const missing = bucket === undefined ? 0 : Math.max(0, bucket.missing - (nowMs - bucket.atMs) * perMinute);
  const tooMany = missing + MINUTE_MS - perMinute * MINUTE_MS;
  if (tooMany > 0) return { type: "refused", waitMs: Math.ceil(tooMany / perMinute) };
  return { type: "taken", bucket: { missing: missing + MINUTE_MS, atMs: nowMs } };
}

/** True when nothing has been taken for so long that the bucket must be full, whatever it was before. */
export function isSurelyFull(bucket: TokenBucket, nowMs: number): boolean {
  return nowMs - bucket.atMs >= MINUTE_MS;
}
