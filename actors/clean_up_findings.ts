import { StoreUnavailableError } from "../src/core/errors.ts";
import { type JobId, jobId, parseAttemptTag } from "../src/core/ids.ts";
import { isFinished } from "../src/core/job.ts";
import { expiryMs, type RetentionRules } from "../src/core/retention.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import type { Leftover, Leftovers } from "../src/ports/leftovers.ts";
import { unfinishedJobs } from "./unfinished_jobs.ts";

/** What is looked through. */
export interface CleanUpPlaces {
  readonly store: Pick<
    JobStore,
    "instanceId" | "get" | "ids" | "unfinished" | "finishedBefore" | "finishedApplications"
  >;
  readonly leftovers: Leftovers;
  readonly clock: Clock;
}

/** Something that nobody needs any more. */
export interface Finding {
  readonly leftover: Leftover;
  /** Since it was last changed. */
  readonly ageMs: number;
}

const HOUR_MS = 3_600_000;

/** An upload is written while it is unpacked; this is longer than that can take. */
const UPLOAD_GRACE_MS = 24 * HOUR_MS;
const DIRECTORY_GRACE_MS = 24 * HOUR_MS;
/** Long after the scheduler was told to forget the attempt. */
const RECORD_GRACE_MS = HOUR_MS;
const INCOMING_GRACE_MS = HOUR_MS;
/** How long what was set aside can still be fetched back. */
const ORPHAN_GRACE_MS = 7 * 24 * HOUR_MS;

const ID_PAGE = 2_000;

/** Between two pages of rows; an embedded database answers at once, so that nothing else would have its turn. */
const REST_MS = 5;

/*
 * Each function yields what may be removed, checked right before, so remove it before you ask for the next. A fault of
 * the store ends the search: what cannot be looked up is not known to be superfluous.
 */

/**
 * Uploads that were never accepted.
 *
 * @param abandoned uploads that nobody receives any more, however young they are
 */
export async function* staleUploads(
  { store, leftovers, clock }: CleanUpPlaces,
  abandoned: ReadonlySet<string>,
): AsyncGenerator<Finding> {
  const names = await leftovers.uploads();
  const accepted = new Set<string>();
  for await (const { progress } of unfinishedJobs(calmly(store, clock))) {
    if (progress.phase === "accepted") accepted.add(progress.upload);
  }
  for (const name of names.filter((candidate) => !accepted.has(candidate))) {
    yield* olderThan(abandoned.has(name) ? 0 : UPLOAD_GRACE_MS, { kind: "upload", name }, leftovers, clock);
  }
}

/** Directories of jobs that the store does not know. */
export async function* lostDirectories({ store, leftovers, clock }: CleanUpPlaces): AsyncGenerator<Finding> {
  // Listed first: a job that is submitted meanwhile has its row before its directory.
  const directories = await leftovers.directories();
  for (const id of await unknownIds(directories, calmly(store, clock))) {
    for await (const finding of olderThan(DIRECTORY_GRACE_MS, { kind: "directory", id }, leftovers, clock)) {
      const [next] = await store.ids(jobId(id - 1), 1);
      if (next !== id) yield finding;
    }
  }
}

/** Directories that were set aside long enough ago. */
export async function* oldOrphans({ leftovers, clock }: CleanUpPlaces): AsyncGenerator<Finding> {
  for (const name of await leftovers.orphans()) {
    yield* olderThan(ORPHAN_GRACE_MS, { kind: "orphan", name }, leftovers, clock);
  }
}

/** Records of attempts whose job is finished or gone. Those of another database are not ours to judge. */
export async function* lostRecords({ store, leftovers, clock }: CleanUpPlaces): AsyncGenerator<Finding> {
  for (const tag of await leftovers.records()) {
    const attempt = parseAttemptTag(tag);
    if (attempt?.instanceId !== store.instanceId) continue;
    for await (const finding of olderThan(RECORD_GRACE_MS, { kind: "record", tag }, leftovers, clock)) {
      if (await isOver(store, attempt.id, clock.nowMs() - RECORD_GRACE_MS)) yield finding;
    }
  }
}

/** Output that was being copied back for jobs that are finished or gone. */
export async function* lostIncoming({ store, leftovers, clock }: CleanUpPlaces): AsyncGenerator<Finding> {
  for (const id of await leftovers.incoming()) {
    for await (const finding of olderThan(INCOMING_GRACE_MS, { kind: "incoming", id }, leftovers, clock)) {
      if (await isOver(store, id, clock.nowMs() - INCOMING_GRACE_MS)) yield finding;
    }
  }
}

/** For which applications finished jobs may have to go, and before when they must have finished for that. */
export async function expiringApplications(
  store: CleanUpPlaces["store"],
  rules: RetentionRules,
  nowMs: number,
): Promise<readonly { readonly application: string; readonly beforeMs: number }[]> {
  const applications = rules.defaultMs === null ? [...rules.applicationMs.keys()] : await store.finishedApplications();
  return applications.flatMap((application) => {
    const beforeMs = expiryMs(rules, application, nowMs);
    return beforeMs === null ? [] : [{ application, beforeMs }];
  });
}

/** Reads page after page of a table with a rest after each full one, for who needs all rows but is in no hurry. */
export function calmly(
  store: Pick<JobStore, "ids" | "unfinished">,
  clock: Clock,
): Pick<JobStore, "ids" | "unfinished"> {
  const rested = async <Row>(limit: number, rows: readonly Row[]): Promise<readonly Row[]> => {
    if (rows.length === limit) await new Promise<void>((resolve) => void clock.after(REST_MS, resolve));
    return rows;
  };
  return {
    ids: async (after, limit) => rested(limit, await store.ids(after, limit)),
    unfinished: async (after, limit) => rested(limit, await store.unfinished(after, limit)),
  };
}

async function* olderThan(
  graceMs: number,
  leftover: Leftover,
  leftovers: Leftovers,
  clock: Clock,
): AsyncGenerator<Finding> {
  const changedOnMs = await leftovers.changedOnMs(leftover);
  if (changedOnMs === undefined) return;
  const ageMs = clock.nowMs() - changedOnMs;
  if (graceMs === 0 || ageMs > graceMs) yield { leftover, ageMs };
}

/** Those of `candidates`, ascending, that no row has, but for those above all rows: the store may have lost its newest. */
async function unknownIds(candidates: readonly JobId[], store: Pick<JobStore, "ids">): Promise<readonly JobId[]> {
  const unknown: JobId[] = [];
  const rest = candidates[Symbol.iterator]();
  let candidate = rest.next();
  for (let after = jobId(0); !candidate.done; ) {
    const page = await store.ids(after, ID_PAGE);
    for (const id of page) {
      for (; !candidate.done && candidate.value < id; candidate = rest.next()) unknown.push(candidate.value);
      if (!candidate.done && candidate.value === id) candidate = rest.next();
      after = id;
    }
    if (page.length < ID_PAGE) return unknown;
  }
  return unknown;
}

/** True when the job is gone, or finished before `beforeMs`. */
async function isOver(store: CleanUpPlaces["store"], id: JobId, beforeMs: number): Promise<boolean> {
  try {
    const job = await store.get(id);
    return job === undefined || (isFinished(job) && (job.finishedOnMs ?? job.updatedOnMs) < beforeMs);
  } catch (error) {
    if (error instanceof StoreUnavailableError) throw error;
    // A row that cannot be read is still a job.
    return false;
  }
}
