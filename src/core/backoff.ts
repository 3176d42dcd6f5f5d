/** How the waits between tries grow. */
export interface BackoffPolicy {
  /** Wait after the first failure. */
  readonly initialMs: number;
  /** By how much each further wait is longer. */
  readonly factor: number;
  /** No wait is longer than this. */
  readonly maxMs: number;
  /** Part of each wait that is left to chance, 0–1, so that many jobs do not come back at the same moment. */
  readonly jitter: number;
}

/** From 1 s to 5 min; 20 tries last about an hour. */
export const DEFAULT_BACKOFF: BackoffPolicy = { initialMs: 1_000, factor: 2, maxMs: 300_000, jitter: 0.3 };

/**
 * How long to wait after the `failures`-th failure in a row.
 *
 * @param failures from 1
 * @param chance random number, at least 0 and below 1
 * @returns milliseconds, at most `maxMs`, at least `(1 - jitter)` of the full wait
 */
export function backoffMs(policy: BackoffPolicy, failures: number, chance: number): number {
  // The exponent is bounded, as an infinite wait times a jitter of zero is no number.
  const growth = policy.factor ** Math.min(Math.max(failures, 1) - 1, 100);
  const fullMs = Math.min(policy.maxMs, policy.initialMs * growth);
  return fullMs * (1 - policy.jitter * chance);
}
