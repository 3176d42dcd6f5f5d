import { DESTINATION_MODES } from "../../src/core/destination_mode.ts";
import { type JobId, jobId } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import type {
  AdminSearch,
  AdminStore,
  AuditEntry,
  JobOrder,
  PhaseCount,
  SavedMode,
} from "../../src/ports/admin_store.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { AdminQueries } from "./admin_queries.ts";
import { CorruptJobError, decodeJob, type JobRow } from "./job_row.ts";
import { decodePhase } from "./progress_codec.ts";
import type { SqlSession } from "./sql_session.ts";
import { decodeTimestamp, encodeTimestamp } from "./timestamp.ts";

/** Numbers of jobs that are looked through at a time: a few milliseconds, whatever the filter. */
const IDS_AT_ONCE = 5_000;

const NOBODY = {};

/** What administrators ask of a migrated SQL database. Jobs that cannot be read are left out. */
export class SqlAdminStore implements AdminStore {
  readonly #session: SqlSession;
  readonly #queries: AdminQueries;
  readonly #logger: Logger;

  constructor(session: SqlSession, queries: AdminQueries, logger: Logger) {
    this.#session = session;
    this.#queries = queries;
    this.#logger = logger;
  }

  async *search({ filter, sinceMs, untilMs, isUnfinishedOnly, order }: AdminSearch): AsyncGenerator<readonly Job[]> {
    const [highest] = await this.#session.read(this.#queries.highestId, NOBODY);
    const last = highest?.id ?? 0;
    const query = isUnfinishedOnly ? this.#queries.unfinished : this.#queries.any;
    const states = filter.states.length === 0 ? "" : `,${filter.states.join(",")},`;
    const times = { since: encodeTimestamp(sinceMs), until: encodeTimestamp(untilMs) };
    for (let done = 0; done < last; done += IDS_AT_ONCE) {
      const above = order === "oldest" ? done : Math.max(0, last - done - IDS_AT_ONCE);
      const upTo = order === "oldest" ? done + IDS_AT_ONCE : last - done;
      const { destination, application, submitter } = filter;
      const values = { above, upTo, states, destination, application, submitter, ...times };
      const jobs = this.#readable(await this.#session.read(query, values));
      if (jobs.length > 0) yield order === "oldest" ? jobs : jobs.toReversed();
      // Other requests are served between two looks.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  async unfinishedCounts(): Promise<readonly PhaseCount[]> {
    const rows = await this.#session.read(this.#queries.unfinishedCounts, NOBODY);
    return rows.map(({ destination, phase, count }) => ({
      destination,
      phase: decodePhase(phase),
      count: Number(count),
    }));
  }

  async modes(): Promise<readonly SavedMode[]> {
    const rows = await this.#session.read(this.#queries.modes, NOBODY);
    return rows.map(({ destination, mode, changed_by, changed_on }) => ({
      destination,
      // What a later version may have written is taken for the most careful mode.
      mode: DESTINATION_MODES.find((known) => known === mode) ?? "draining",
      by: changed_by,
      onMs: decodeTimestamp(changed_on),
    }));
  }

  async saveMode({ destination, mode, by, onMs }: SavedMode): Promise<void> {
    const values = { destination, mode, changed_by: by, changed_on: encodeTimestamp(onMs) };
    await this.#session.write(this.#queries.saveMode, values);
  }

  async orders(): Promise<ReadonlyMap<JobId, JobOrder>> {
    const rows = await this.#session.read(this.#queries.orders, NOBODY);
    return new Map(
      rows.map(({ job_id, is_held, priority }) => [jobId(job_id), { isHeld: is_held !== 0, priority }] as const),
    );
  }

  async saveOrder(id: JobId, { isHeld, priority }: JobOrder): Promise<boolean> {
    const values = { id, is_held: isHeld ? 1 : 0, priority };
    return (await this.#session.write(this.#queries.saveOrder, values)).length > 0;
  }

  async record({ onMs, by, action, target, outcome }: AuditEntry): Promise<void> {
    const values = { recorded_on: encodeTimestamp(onMs), who: by, action, target, outcome };
    await this.#session.write(this.#queries.record, values);
  }

  async audit(limit: number): Promise<readonly AuditEntry[]> {
    const rows = await this.#session.read(this.#queries.audit, { limit });
    return rows.map(({ recorded_on, who, action, target, outcome }) => ({
      onMs: decodeTimestamp(recorded_on),
      by: who,
      action,
      target,
      outcome,
    }));
  }

  #readable(rows: readonly JobRow[]): Job[] {
    return rows.flatMap((row) => {
      try {
        return [decodeJob(row)];
      } catch (error) {
        if (!(error instanceof CorruptJobError)) throw error;
        this.#logger.debug("Left a job out that cannot be read", { job: row.id, error: error.message });
        return [];
      }
    });
  }
}
