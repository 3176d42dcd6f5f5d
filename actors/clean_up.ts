import { assertNever } from "../src/core/assert_never.ts";
import { messageOf } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import type { Job } from "../src/core/job.ts";
import type { RetentionRules } from "../src/core/retention.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { FinishedJob } from "../src/ports/job_store.ts";
import type { Leftover } from "../src/ports/leftovers.ts";
import type { Logger } from "../src/ports/logger.ts";
import {
  type CleanUpPlaces,
  calmly,
  expiringApplications,
  type Finding,
  lostDirectories,
  lostIncoming,
  lostRecords,
  oldOrphans,
  staleUploads,
} from "./clean_up_findings.ts";
import { unfinishedJobs } from "./unfinished_jobs.ts";

/** What a round of cleaning up works with. */
export interface CleanUpWorld extends CleanUpPlaces {
  readonly logger: Logger;
  readonly retention: RetentionRules;
  /** Uploads that nobody receives any more: those of earlier daemons. */
  readonly abandonedUploads: ReadonlySet<string>;
  /** Milliseconds since 1970, not believing a clock that was set forward: that would let jobs expire all at once. */
  readonly trustedNowMs: () => number;
  /** True when the job has an actor, or somebody else is about to do what it needs. */
  readonly isLookedAfter: (job: Job) => boolean;
  /** Starts the actor of a job; undefined where unfinished jobs are left alone. */
  readonly takeUp: ((id: JobId) => void) | undefined;
  /** Deletes a finished job as a user would. @throws when it stays */
  readonly deleteJob: (job: FinishedJob) => Promise<void>;
}

/** How much a round has dealt with. */
export interface CleanUpReport {
  /** Removed uploads that were never accepted. */
  readonly uploads: number;
  /** Directories without a job that were set aside. */
  readonly directories: number;
  /** Removed directories that had been set aside. */
  readonly orphans: number;
  /** Removed output that was being copied back for jobs that are over. */
  readonly incoming: number;
  /** Removed records of attempts. */
  readonly records: number;
  /** Unfinished jobs, above all those being deleted, that had lost their actor and have one again. */
  readonly resumed: number;
  /** Finished jobs that were kept long enough and are deleted. */
  readonly jobs: number;
  /** What could not be looked at or removed; tried again in the next round. */
  readonly faults: number;
}

/** After so many removals other users of the disk have their turn. */
const REMOVALS = 100;
const DELETIONS = 20;
const PAUSE_MS = 1_000;

/**
 * Removes what earlier faults have left behind and what was kept long enough, bit by bit. Never rejects: what goes
 * wrong is logged and left for the next round.
 *
 * @param extent `uploads` is for the start of the daemon, when there is more urgent work
 */
export async function cleanUp(
  world: CleanUpWorld,
  extent: "uploads" | "all",
  signal: AbortSignal,
): Promise<CleanUpReport> {
  const counts = { uploads: 0, directories: 0, orphans: 0, incoming: 0, records: 0, resumed: 0, jobs: 0, faults: 0 };
  const step = async (what: keyof CleanUpReport, run: () => AsyncGenerator<1>): Promise<void> => {
    if (signal.aborted) return;
    try {
      for await (const one of run()) {
        counts[what] += one;
        signal.throwIfAborted();
      }
    } catch (error) {
      if (signal.aborted) return;
      counts.faults += 1;
      world.logger.warn("Could not clean up; tried again with the next round", { what, reason: messageOf(error) });
    }
  };
  const onFault = (what: string, error: unknown): void => {
    counts.faults += 1;
    world.logger.warn("Could not remove a leftover; tried again with the next round", {
      what,
      reason: messageOf(error),
    });
  };

  await step("uploads", () => removeAll(world, staleUploads(world, world.abandonedUploads), signal, onFault));
  if (extent === "all") {
    await step("resumed", () => takeUpLost(world));
    await step("directories", () => setAsideLost(world, signal, onFault));
    await step("orphans", () => removeAll(world, oldOrphans(world), signal, onFault));
    await step("incoming", () => removeAll(world, lostIncoming(world), signal, onFault));
    await step("records", () => removeAll(world, lostRecords(world), signal, onFault));
    await step("jobs", () => deleteExpired(world, signal, onFault));
  }
  const report: CleanUpReport = counts;
  const { faults, ...done } = counts;
  if (Object.values(done).some((count) => count > 0)) world.logger.info("Cleaned up", { ...done, faults });
  return report;
}

async function* removeAll(
  { leftovers, logger, clock }: CleanUpWorld,
  findings: AsyncGenerator<Finding>,
  signal: AbortSignal,
  onFault: (what: string, error: unknown) => void,
): AsyncGenerator<1> {
  let count = 0;
  for await (const { leftover, ageMs } of findings) {
    try {
      await leftovers.remove(leftover);
      logger.debug("Removed a leftover", { what: nameOf(leftover), ageS: Math.round(ageMs / 1000) });
      yield 1;
    } catch (error) {
      // One that resists must not keep the others.
      onFault(nameOf(leftover), error);
    }
    count += 1;
    if (count % REMOVALS === 0) await pause(clock, PAUSE_MS, signal);
  }
}

async function* setAsideLost(
  world: CleanUpWorld,
  signal: AbortSignal,
  onFault: (what: string, error: unknown) => void,
): AsyncGenerator<1> {
  const { store, leftovers } = world;
  const owner = await leftovers.owner();
  if (owner === undefined) await leftovers.setOwner(store.instanceId);
  else if (owner !== store.instanceId) {
    world.logger.warn("The job root was used with another database, so directories without a job are left alone");
    return;
  }
  yield* removeAll(world, lostDirectories(world), signal, onFault);
}

/** An actor can be lost when the store was away just as the actor was given up. */
async function* takeUpLost({ store, clock, isLookedAfter, takeUp, logger }: CleanUpWorld): AsyncGenerator<1> {
  if (takeUp === undefined) return;
  for await (const found of unfinishedJobs(calmly(store, clock))) {
    if (isLookedAfter(found)) continue;
    const job = await store.get(found.id);
    if (job === undefined || job.progress.phase === "finished" || isLookedAfter(job)) continue;
    takeUp(job.id);
    logger.debug("Took a job up again", { job: job.id, phase: job.progress.phase });
    yield 1;
  }
}

async function* deleteExpired(
  { store, retention, trustedNowMs, deleteJob, logger, clock }: CleanUpWorld,
  signal: AbortSignal,
  onFault: (what: string, error: unknown) => void,
): AsyncGenerator<1> {
  for (const { application, beforeMs } of await expiringApplications(store, retention, trustedNowMs())) {
    for (let stayed = 0; ; ) {
      const batch = await store.finishedBefore({ application, beforeMs, limit: DELETIONS, offset: stayed });
      if (batch.length === 0) break;
      // Times written by hand with another zone are found too early.
      const due = batch.filter(({ finishedOnMs }) => finishedOnMs < beforeMs);
      const results = await unlessAborted(Promise.allSettled(due.map(deleteJob)), signal);
      stayed += batch.length - due.length;
      for (const [index, result] of results.entries()) {
        const job = due[index]?.id;
        if (result.status === "fulfilled") {
          logger.debug("Deleted a job that was kept long enough", { job, application });
          yield 1;
        } else {
          stayed += 1;
          onFault(`job ${job}`, result.reason);
        }
      }
      if (batch.length < DELETIONS) break;
      await pause(clock, PAUSE_MS, signal);
    }
  }
}

function nameOf(leftover: Leftover): string {
  switch (leftover.kind) {
    case "upload":
      return `upload ${leftover.name}`;
    case "directory":
      return `directory ${leftover.id}`;
    case "incoming":
      return `incoming ${leftover.id}`;
    case "orphan":
      return `orphan ${leftover.name}`;
    case "record":
      return `record ${leftover.tag}`;
    default:
      return assertNever(leftover);
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  let cancel = (): void => {};
  const over = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  return unlessAborted(over, signal).finally(() => cancel());
}

/** What is under way goes on, but nobody waits for it any more. @throws the reason of the signal when it aborts */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
