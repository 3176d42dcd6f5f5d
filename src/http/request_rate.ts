import { RateLimiter } from "../core/rate_limiter.ts";
import type { Clock } from "../ports/clock.ts";
import { Refusal } from "./refusal.ts";
import type { VerifyToken } from "./token_verifier.ts";

/**
 * Counts what each user asks for, as soon as it is known who asks.
 *
 * @returns verifies tokens, and throws a {@link Refusal} with 429 when their user asks too often
 */
export function countingRequests(verifyToken: VerifyToken, perMinute: number | undefined, clock: Clock): VerifyToken {
  if (perMinute === undefined) return verifyToken;
  const limiter = new RateLimiter(perMinute);
  return async (token) => {
    const verified = await verifyToken(token);
    const waitMs = limiter.take(verified.username, clock.monotonicMs());
    if (waitMs > 0) throw tooMany(`requests_per_minute: at most ${perMinute} in a minute`, waitMs);
    return verified;
  };
}

/** The refusal of somebody who has had enough for now (RFC 6585 §4). */
export function tooMany(why: string, waitMs: number): Refusal {
  const waitS = Math.ceil(waitMs / 1000);
  return new Refusal(429, `${why}; try again in ${waitS} s`, { headers: { "retry-after": String(waitS) } });
}
