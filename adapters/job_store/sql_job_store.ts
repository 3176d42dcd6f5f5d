import { randomUUID } from "node:crypto";
import { StaleVersionError, StoreUnavailableError } from "../../src/core/errors.ts";
import { type JobId, jobId, MAX_JOB_ID } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type {
  FinishedJob,
  FinishedJobQuery,
  HistoryEntry,
  JobKind,
  JobListQuery,
  JobStore,
  KeyedJob,
  NewJob,
  SubmissionKey,
} from "../../src/ports/job_store.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { type ListerOptions, listJobs, rowCount } from "./job_lister.ts";
import type { JobQueries } from "./job_queries.ts";
import { CorruptJobError, decodeHistory, decodeJob, type JobRow, progressColumns } from "./job_row.ts";
import type { SqlSession } from "./sql_session.ts";
import { Submissions } from "./submissions.ts";
import { decodeTimestamp, encodeTimestamp } from "./timestamp.ts";

/** A disk that takes longer does not work; a busy one takes a second or two at its worst. */
const SILENCE_MS = 10_000;

export interface SqlJobStoreOptions {
  readonly session: SqlSession;
  readonly queries: JobQueries;
  readonly instanceId: string;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * The job store on a migrated SQL database.
 *
 * A row that cannot be read makes `get` and `history` throw {@link CorruptJobError}; `list` and `unfinished` leave it
 * out, so that it does not take the other jobs along, and log it once.
 */
export class SqlJobStore implements JobStore {
  readonly instanceId: string;
  readonly #session: SqlSession;
  readonly #queries: JobQueries;
  readonly #logger: Logger;
  readonly #submissions: Submissions;
  readonly #lister: ListerOptions;
  readonly #reported = new Set<number>();
  /** Of saves whose outcome is unknown, for when they are tried again. */
  readonly #saveIds = new WeakMap<Job, string>();

  constructor({ session, queries, instanceId, logger, clock }: SqlJobStoreOptions) {
    this.#session = session;
    this.#queries = queries;
    this.#logger = logger;
    this.#submissions = new Submissions({ session, queries, logger, clock });
    this.instanceId = instanceId;
    const collect: ListerOptions["collect"] = (rows, into) => this.#collect(rows, into);
    this.#lister = { session, queriesFor: queries.list, collect };
  }

  async insert(job: NewJob, nowMs: number): Promise<Job> {
    const inserted = await this.#submissions.insert(job, undefined, nowMs);
    if (inserted === undefined) throw new StoreUnavailableError("The new job was removed before its number was known");
    return inserted;
  }

  insertOnce(job: NewJob, once: SubmissionKey, nowMs: number): Promise<Job | undefined> {
    return this.#submissions.insert(job, once, nowMs);
  }

  keyed(submitter: string, key: string): Promise<KeyedJob | undefined> {
    return this.#submissions.keyed(submitter, key);
  }

  async hasAtLeast(submitter: string, kind: JobKind, count: number): Promise<boolean> {
    if (count <= 0) return true;
    const query = kind === "unfinished" ? this.#queries.nthUnfinished : this.#queries.nthStored;
    return (await this.#session.read(query, { submitter, before: rowCount(count) - 1 })).length > 0;
  }

  async get(id: JobId): Promise<Job | undefined> {
    if (!mayExist(id)) return undefined;
    const [row] = await this.#session.read(this.#queries.get, { id });
    return row === undefined ? undefined : decodeJob(row);
  }

  list(query: JobListQuery): Promise<readonly Job[]> {
    return listJobs(this.#lister, query);
  }

  async unfinished(after: JobId, limit: number): Promise<readonly Job[]> {
    const jobs: Job[] = [];
    let last: number = after;
    // Unreadable rows are replaced by later ones: to the caller a short batch means that there are no more jobs.
    for (let wanted = rowCount(limit); wanted > 0; wanted = rowCount(limit) - jobs.length) {
      const rows = await this.#session.read(this.#queries.unfinished, { after: last, limit: wanted });
      this.#collect(rows, jobs);
      if (rows.length < wanted) break;
      last = rows.at(-1)?.id ?? MAX_JOB_ID;
    }
    return jobs;
  }

  async finishedBefore(query: FinishedJobQuery): Promise<readonly FinishedJob[]> {
    const rows = await this.#session.read(this.#queries.finishedBefore, {
      application: query.application,
      before: encodeTimestamp(query.beforeMs),
      limit: rowCount(query.limit),
      offset: rowCount(query.offset),
    });
    return rows.map(({ id, submitter, finished_on }) => ({
      id: jobId(id),
      submitter,
      finishedOnMs: decodeTimestamp(finished_on),
    }));
  }

  async finishedApplications(): Promise<readonly string[]> {
    const names: string[] = [];
    for (let after = ""; ; ) {
      const [row] = await this.#session.read(this.#queries.nextFinishedApplication, { after });
      if (row === undefined) return names;
      names.push(row.application);
      after = row.application;
    }
  }

  async ids(after: JobId, limit: number): Promise<readonly JobId[]> {
    const rows = await this.#session.read(this.#queries.ids, { after, limit: rowCount(limit) });
    return rows.map(({ id }) => jobId(id));
  }

  async save(job: Job, nowMs: number): Promise<Job> {
    if (!mayExist(job.id)) throw stale(job, undefined);
    const saveId = this.#saveIds.get(job) ?? randomUUID();
    try {
      return await this.#save(job, saveId, nowMs);
    } catch (error) {
      if (error instanceof StoreUnavailableError) this.#saveIds.set(job, saveId);
      throw error;
    }
  }

  async #save(job: Job, saveId: string, nowMs: number): Promise<Job> {
    const [row] = await this.#session.write(this.#queries.save, {
      ...progressColumns(job.progress),
      id: job.id,
      version: job.version,
      attempt: job.attempt,
      updated_on: encodeTimestamp(job.updatedOnMs),
      submitted_on: job.submittedOnMs === null ? null : encodeTimestamp(job.submittedOnMs),
      started_on: job.startedOnMs === null ? null : encodeTimestamp(job.startedOnMs),
      finished_on: job.finishedOnMs === null ? null : encodeTimestamp(job.finishedOnMs),
      save_id: saveId,
      now: encodeTimestamp(nowMs),
    });
    if (row !== undefined) return { ...job, name: row.name, version: row.version };
    const [current] = await this.#session.read(this.#queries.current, { id: job.id });
    // An earlier try of this very save was made after all; only its answer was lost.
    if (current?.save_id === saveId) return { ...job, name: current.name, version: current.version };
    throw stale(job, current?.version);
  }

  async rename(id: JobId, name: string): Promise<boolean> {
    if (!mayExist(id)) return false;
    return (await this.#session.write(this.#queries.rename, { id, name })).length > 0;
  }

  async remove(id: JobId): Promise<void> {
    if (mayExist(id)) await this.#session.write(this.#queries.remove, { id });
  }

  async history(id: JobId): Promise<readonly HistoryEntry[]> {
    if (!mayExist(id)) return [];
    const rows = await this.#session.read(this.#queries.history, { id });
    return rows.map((row) => decodeHistory(id, row));
  }

  async ping(): Promise<void> {
    const silentMs = this.#session.silentMs();
    if (silentMs > SILENCE_MS) {
      throw new StoreUnavailableError(`The disk of the database has not answered for ${Math.floor(silentMs / 1000)} s`);
    }
    await this.#session.read(this.#queries.meta, { key: "instance_id" });
  }

  async close(): Promise<void> {
    this.#submissions.close();
    await this.#session.close();
  }

  #collect(rows: readonly JobRow[], into: Job[]): void {
    for (const row of rows) {
      try {
        into.push(decodeJob(row));
      } catch (error) {
        if (!(error instanceof CorruptJobError)) throw error;
        this.#report(row.id, error);
      }
    }
  }

  #report(id: number, error: CorruptJobError): void {
    if (this.#reported.has(id)) return;
    this.#reported.add(id);
    this.#logger.error("Left a job out that cannot be read", { job: id, reason: error.message });
  }
}

function stale(job: Job, version: number | undefined): StaleVersionError {
  return new StaleVersionError(
    version === undefined
      ? `Job ${job.id}: there is no such job any more`
      : `Job ${job.id}: expected version ${job.version}, got ${version}`,
  );
}

/** False for numbers that the id column cannot hold. */
function mayExist(id: JobId): boolean {
  return Number.isInteger(id) && id >= 1 && id <= MAX_JOB_ID;
}
