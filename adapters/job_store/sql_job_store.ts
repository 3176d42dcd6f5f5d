import { StaleVersionError, StoreUnavailableError } from "../../src/core/errors.ts";
import { type JobId, jobId, MAX_JOB_ID } from "../../src/core/ids.ts";
import type { Job, Progress } from "../../src/core/job.ts";
import type { HistoryEntry, JobListQuery, JobStore, NewJob } from "../../src/ports/job_store.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { JobQueries } from "./job_queries.ts";
import { CorruptJobError, decodeHistory, decodeJob, type JobRow, progressColumns } from "./job_row.ts";
import type { SqlSession } from "./sql_session.ts";
import { encodeTimestamp } from "./timestamp.ts";

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
  readonly #reported = new Set<number>();

  constructor(session: SqlSession, queries: JobQueries, instanceId: string, logger: Logger) {
    this.#session = session;
    this.#queries = queries;
    this.instanceId = instanceId;
    this.#logger = logger;
  }

  async insert(job: NewJob, nowMs: number): Promise<Job> {
    const progress: Progress = { phase: "accepted", upload: job.upload, cancellation: null };
    const columns = progressColumns(progress);
    const [row] = await this.#session.write(this.#queries.insert, {
      name: job.name,
      application: job.application,
      submitter: job.submitter,
      parameters: JSON.stringify(job.parameters),
      state: columns.state,
      phase: columns.phase,
      progress: columns.progress,
      now: encodeTimestamp(nowMs),
    });
    if (row === undefined) throw new StoreUnavailableError("The database did not tell the id of the new job");
    return {
      id: jobId(row.id),
      name: job.name,
      application: job.application,
      submitter: job.submitter,
      parameters: job.parameters,
      createdOnMs: nowMs,
      progress,
      attempt: 0,
      version: 1,
      updatedOnMs: nowMs,
      startedOnMs: null,
      finishedOnMs: null,
    };
  }

  async get(id: JobId): Promise<Job | undefined> {
    if (!mayExist(id)) return undefined;
    const [row] = await this.#session.read(this.#queries.get, { id });
    return row === undefined ? undefined : decodeJob(row);
  }

  async list(query: JobListQuery): Promise<readonly Job[]> {
    const rows = await this.#session.read(this.#queries.list, {
      submitter: query.submitter,
      limit: rowCount(query.limit),
      offset: rowCount(query.offset),
    });
    const jobs: Job[] = [];
    this.#collect(rows, jobs);
    return jobs;
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

  async save(job: Job, nowMs: number): Promise<Job> {
    const [row] = !mayExist(job.id)
      ? []
      : await this.#session.write(this.#queries.save, {
          ...progressColumns(job.progress),
          id: job.id,
          version: job.version,
          attempt: job.attempt,
          updated_on: encodeTimestamp(job.updatedOnMs),
          started_on: job.startedOnMs === null ? null : encodeTimestamp(job.startedOnMs),
          finished_on: job.finishedOnMs === null ? null : encodeTimestamp(job.finishedOnMs),
          now: encodeTimestamp(nowMs),
        });
    if (row === undefined) throw await this.#stale(job);
    return { ...job, name: row.name, version: row.version };
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
    await this.#session.read(this.#queries.meta, { key: "instance_id" });
  }

  close(): Promise<void> {
    return this.#session.close();
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
    this.#logger.error("Left a job out that cannot be read", { job: id, error: error.message });
  }

  async #stale(job: Job): Promise<StaleVersionError> {
    const [row] = mayExist(job.id) ? await this.#session.read(this.#queries.version, { id: job.id }) : [];
    return new StaleVersionError(
      row === undefined
        ? `Job ${job.id}: there is no such job any more`
        : `Job ${job.id}: expected version ${job.version}, got ${row.version}`,
    );
  }
}

/** False for numbers that the id column cannot hold. */
function mayExist(id: JobId): boolean {
  return Number.isInteger(id) && id >= 1 && id <= MAX_JOB_ID;
}

/** Keeps within what every database takes: a negative limit means "all" to SQLite and is refused elsewhere. */
function rowCount(value: number): number {
  return Math.min(Math.max(0, Math.trunc(value)), Number.MAX_SAFE_INTEGER);
}
