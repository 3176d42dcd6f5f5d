import { StaleVersionError, StoreUnavailableError } from "../../src/core/errors.ts";
import { type JobId, jobId } from "../../src/core/ids.ts";
import { type Job, type Progress, publicState } from "../../src/core/job.ts";
import { UNKNOWN_ORIGIN } from "../../src/core/job_origin.ts";
import type {
  FinishedJob,
  FinishedJobQuery,
  HistoryEntry,
  JobFilter,
  JobKind,
  JobListQuery,
  JobStore,
  KeyedJob,
  NewJob,
  SubmissionKey,
} from "../../src/ports/job_store.ts";

interface Row {
  readonly job: Job;
  readonly history: readonly HistoryEntry[];
  readonly once: SubmissionKey | undefined;
}

/** A change of the table, at the moment it is committed; `after` is undefined when the row is removed. */
export type CommitListener = (before: Job | undefined, after: Job | undefined) => void;

/**
 * The table of jobs in memory, with the exact semantics of the port: every call takes effect at once, and its
 * promise is settled when it is returned. What comes between a daemon and its database is added by the simulation.
 */
export class MemoryJobStore implements JobStore {
  readonly instanceId: string;
  readonly #rows = new Map<JobId, Row>();
  readonly #onCommit: CommitListener;
  #lastId = 0;
  #isClosed = false;

  constructor(instanceId: string, onCommit: CommitListener = () => {}) {
    this.instanceId = instanceId;
    this.#onCommit = onCommit;
  }

  /** All rows, lowest id first, whatever their phase. */
  all(): readonly Job[] {
    return Array.from(this.#rows.values(), ({ job }) => job);
  }

  /** The row as it is, without a promise. */
  peek(id: JobId): Job | undefined {
    return this.#rows.get(id)?.job;
  }

  async insert(job: NewJob, nowMs: number): Promise<Job> {
    this.#mustBeOpen();
    return this.#insert(job, undefined, nowMs);
  }

  async insertOnce(job: NewJob, once: SubmissionKey, nowMs: number): Promise<Job | undefined> {
    this.#mustBeOpen();
    return this.#keyed(job.submitter, once.key) === undefined ? this.#insert(job, once, nowMs) : undefined;
  }

  async keyed(submitter: string, key: string): Promise<KeyedJob | undefined> {
    this.#mustBeOpen();
    const row = this.#keyed(submitter, key);
    if (row?.once === undefined) return undefined;
    const { id, application, progress } = row.job;
    return { id, application, digest: row.once.digest, isBeingDeleted: progress.phase === "deleting" };
  }

  async hasAtLeast(submitter: string, kind: JobKind, count: number): Promise<boolean> {
    this.#mustBeOpen();
    const counted = this.all().filter(
      (job) =>
        job.submitter === submitter &&
        job.progress.phase !== "deleting" &&
        (kind === "stored" || job.progress.phase !== "finished"),
    );
    return counted.length >= count;
  }

  async get(id: JobId): Promise<Job | undefined> {
    this.#mustBeOpen();
    return this.#rows.get(id)?.job;
  }

  async list({ submitter, limit, offset, before = jobId(Infinity), filter }: JobListQuery): Promise<readonly Job[]> {
    this.#mustBeOpen();
    return this.all()
      .filter((job) => job.submitter === submitter && job.progress.phase !== "deleting" && job.id < before)
      .filter((job) => filter === undefined || passes(job, filter))
      .toReversed()
      .slice(offset, offset + limit);
  }

  async unfinished(after: JobId, limit: number): Promise<readonly Job[]> {
    this.#mustBeOpen();
    return this.all()
      .filter((job) => job.id > after && job.progress.phase !== "finished")
      .slice(0, limit);
  }

  async finishedBefore({ application, beforeMs, limit, offset }: FinishedJobQuery): Promise<readonly FinishedJob[]> {
    this.#mustBeOpen();
    return this.all()
      .filter((job) => job.progress.phase === "finished" && job.application === application)
      .map(({ id, submitter, finishedOnMs }) => ({ id, submitter, finishedOnMs: finishedOnMs ?? 0 }))
      .filter(({ finishedOnMs }) => finishedOnMs < beforeMs)
      .sort((a, b) => a.finishedOnMs - b.finishedOnMs || a.id - b.id)
      .slice(offset, offset + limit);
  }

  async finishedApplications(): Promise<readonly string[]> {
    this.#mustBeOpen();
    return [...new Set(this.all().flatMap((job) => (job.progress.phase === "finished" ? [job.application] : [])))];
  }

  async ids(after: JobId, limit: number): Promise<readonly JobId[]> {
    this.#mustBeOpen();
    return [...this.#rows.keys()].filter((id) => id > after).slice(0, limit);
  }

  async save(job: Job, nowMs: number): Promise<Job> {
    this.#mustBeOpen();
    const row = this.#rows.get(job.id);
    if (row === undefined) throw new StaleVersionError(`Job ${job.id}: there is no such job any more`);
    if (row.job.version !== job.version) {
      throw new StaleVersionError(`Job ${job.id}: expected version ${job.version}, got ${row.job.version}`);
    }
    const { progress, attempt, updatedOnMs, submittedOnMs, startedOnMs, finishedOnMs } = job;
    const times = { updatedOnMs, submittedOnMs, startedOnMs, finishedOnMs };
    const saved: Job = { ...row.job, progress, attempt, version: job.version + 1, ...times };
    this.#rows.set(job.id, { ...row, job: saved, history: [...row.history, lineOf(saved, nowMs)] });
    this.#onCommit(row.job, saved);
    return saved;
  }

  async rename(id: JobId, name: string): Promise<boolean> {
    this.#mustBeOpen();
    const row = this.#rows.get(id);
    if (row === undefined) return false;
    this.#rows.set(id, { ...row, job: { ...row.job, name } });
    return true;
  }

  async remove(id: JobId): Promise<void> {
    this.#mustBeOpen();
    const row = this.#rows.get(id);
    this.#rows.delete(id);
    if (row !== undefined) this.#onCommit(row.job, undefined);
  }

  async history(id: JobId): Promise<readonly HistoryEntry[]> {
    this.#mustBeOpen();
    return this.#rows.get(id)?.history ?? [];
  }

  async ping(): Promise<void> {
    this.#mustBeOpen();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #insert(job: NewJob, once: SubmissionKey | undefined, nowMs: number): Job {
    const known = this.all().find(({ progress }) => progress.phase === "accepted" && progress.upload === job.upload);
    if (known !== undefined) return known;
    this.#lastId += 1;
    const { upload, origin = UNKNOWN_ORIGIN, ...identity } = job;
    const inserted: Job = {
      ...identity,
      origin,
      id: jobId(this.#lastId),
      createdOnMs: nowMs,
      progress: { phase: "accepted", upload, cancellation: null },
      attempt: 0,
      version: 1,
      updatedOnMs: nowMs,
      submittedOnMs: null,
      startedOnMs: null,
      finishedOnMs: null,
    };
    this.#rows.set(inserted.id, { job: inserted, history: [lineOf(inserted, nowMs)], once });
    this.#onCommit(undefined, inserted);
    return inserted;
  }

  #keyed(submitter: string, key: string): Row | undefined {
    return [...this.#rows.values()].find(({ job, once }) => job.submitter === submitter && once?.key === key);
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new StoreUnavailableError("The store is closed");
  }
}

function passes(job: Job, { states, applications, name }: JobFilter): boolean {
  const isOf = states.length === 0 || states.includes(publicState(job.progress));
  const isFor = applications.length === 0 || applications.includes(job.application);
  return isOf && isFor && job.name.toLowerCase().includes(name.toLowerCase());
}

function lineOf({ version, progress, attempt }: Job, onMs: number): HistoryEntry {
  return { version, onMs, phase: progress.phase, state: publicState(progress), attempt, reason: reasonOf(progress) };
}

function reasonOf(progress: Progress): string | null {
  if ("cancellation" in progress && progress.cancellation !== null) return progress.cancellation.reason;
  if ("note" in progress && progress.note !== null) return progress.note;
  if ("rerun" in progress && progress.rerun !== null) return progress.rerun.reason;
  return "outcome" in progress ? progress.outcome.reason : null;
}
