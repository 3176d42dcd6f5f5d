import { RateLimiter } from "../core/rate_limiter.ts";
import type { EdgeDeps } from "./edge.ts";
import { tooMany } from "./request_rate.ts";

/** When somebody may ask again who has too many jobs: nobody knows when they end or are deleted. */
const QUOTA_RETRY_MS = 60_000;

/**
 * Decides whether somebody may submit one more job, before anything of it is read.
 *
 * @returns admits a new submission of `submitter`; gives what is to be called when it has become a job or nothing.
 *   Throws a {@link Refusal} with 429 when a limit is reached
 */
export function submissionAdmission({ usage, jobs, clock }: Pick<EdgeDeps, "usage" | "jobs" | "clock">) {
  const { submissionsPerMinute: perMinute, maxUnfinishedJobs, maxStoredJobs } = usage;
  const limiter = perMinute === undefined ? undefined : new RateLimiter(perMinute);
  /** Submissions that are no jobs yet, by submitter. */
  const underWay = new Map<string, number>();

  return async (submitter: string): Promise<() => void> => {
    const waitMs = limiter?.take(submitter, clock.monotonicMs()) ?? 0;
    if (waitMs > 0) throw tooMany(`submissions_per_minute: at most ${perMinute} in a minute`, waitMs);
    // Counted before anything is awaited, so that simultaneous ones cannot all see the last free place.
    const others = count(submitter, 1);
    try {
      await checkQuota(submitter, others);
    } catch (error) {
      count(submitter, -1);
      throw error;
    }
    return () => void count(submitter, -1);
  };

  async function checkQuota(submitter: string, others: number): Promise<void> {
    if (
      maxUnfinishedJobs !== undefined &&
      (await jobs.hasAtLeast(submitter, "unfinished", maxUnfinishedJobs - others))
    ) {
      throw tooMany(`max_unfinished_jobs: at most ${maxUnfinishedJobs} at a time`, QUOTA_RETRY_MS);
    }
    if (maxStoredJobs !== undefined && (await jobs.hasAtLeast(submitter, "stored", maxStoredJobs - others))) {
      throw tooMany(`max_stored_jobs: at most ${maxStoredJobs}, delete some first`, QUOTA_RETRY_MS);
    }
  }

  /** @returns how many there were before */
  function count(submitter: string, change: 1 | -1): number {
    const before = underWay.get(submitter) ?? 0;
    if (before + change === 0) underWay.delete(submitter);
    else underWay.set(submitter, before + change);
    return before;
  }
}
