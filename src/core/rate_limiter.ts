import { isSurelyFull, type TokenBucket, takeToken } from "./token_bucket.ts";

/** How often each of many may do something. Remembers those only who did it within the last minute. */
export class RateLimiter {
  readonly #perMinute: number;
  /** Who did it longest ago comes first. */
  readonly #buckets = new Map<string, TokenBucket>();

  /** @param perMinute whole number, at least 1; as many may also come at once */
  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Counts one more of `who`, when it is not too many.
   *
   * @param atMs of a clock that never goes back
   * @returns 0, or in how many milliseconds it may be tried again
   */
  take(who: string, atMs: number): number {
    // Parts of a millisecond would be lost in rounding, so that what was promised came a moment late.
    const nowMs = Math.floor(atMs);
    this.#forget(nowMs);
    const taking = takeToken(this.#buckets.get(who), this.#perMinute, nowMs);
    if (taking.type === "refused") return taking.waitMs;
    // Removed first, so that it moves to the end.
    this.#buckets.delete(who);
    this.#buckets.set(who, taking.bucket);
    return 0;
  }

  #forget(nowMs: number): void {
    for (const [who, bucket] of this.#buckets) {
      if (!isSurelyFull(bucket, nowMs)) return;
      this.#buckets.delete(who);
    }
  }
}
