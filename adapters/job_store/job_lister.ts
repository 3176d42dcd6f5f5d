import { setImmediate } from "node:timers";
import { MAX_JOB_ID } from "../../src/core/ids.ts";
import { type Job, PUBLIC_STATES } from "../../src/core/job.ts";
import type { JobFilter, JobListQuery } from "../../src/ports/job_store.ts";
import type { JobRow } from "./job_row.ts";
import type { FilterParameters, ListParameters, ListQueries, ListShape } from "./list_queries.ts";
import type { SqlSession } from "./sql_session.ts";

/** So many names are compared in one go; more would keep the whole process waiting where the database is in it. */
export const NAMES_AT_ONCE = 5_000;

/** Jobs that get into the filter while names are compared, so many at least, push none out that was in it. */
const SLACK = 500;

const NO_FILTER: JobFilter = { states: [], applications: [], name: "" };

export interface ListerOptions {
  readonly session: SqlSession;
  readonly queriesFor: (shape: ListShape) => ListQueries;
  /** Adds the jobs of rows that can be read, and reports the others. */
  readonly collect: (rows: readonly JobRow[], into: Job[]) => void;
}

/** Reads one page. Rows that cannot be read are replaced by later ones, so that a short page is the last one. */
export async function listJobs(
  { session, queriesFor, collect }: ListerOptions,
  { submitter, limit, offset, before, filter = NO_FILTER }: JobListQuery,
): Promise<readonly Job[]> {
  const { shape, values } = shapeOf(filter);
  const read = filter.name === "" ? readPage : searchNames;
  const jobs: Job[] = [];
  let upTo = before === undefined ? MAX_JOB_ID : Math.min(before - 1, MAX_JOB_ID);
  let toSkip = rowCount(offset);
  for (let wanted = rowCount(limit); wanted > 0 && upTo > 0; wanted = rowCount(limit) - jobs.length) {
    const most = rowCount(toSkip + wanted);
    const page = { limit: wanted, offset: toSkip, most };
    const part = await read(session, queriesFor(shape), { ...values, submitter, upTo, ...page });
    collect(part.rows, jobs);
    toSkip -= part.skipped;
    upTo = part.next;
  }
  return jobs;
}

/** What one question to the database has found. */
interface Part {
  readonly rows: readonly JobRow[];
  /** How many rows of the offset are left behind. */
  readonly skipped: number;
  /** Where to go on; 0 when there are no more. */
  readonly next: number;
}

type Read = (session: SqlSession, queries: ListQueries, parameters: ListParameters) => Promise<Part>;

const readPage: Read = async (session, { page }, parameters) => {
  const rows = await session.read(page, parameters);
  return { rows, skipped: parameters.offset, next: rows.length < parameters.limit ? 0 : idOfLast(rows) - 1 };
};

/** Looks through the next {@link NAMES_AT_ONCE} jobs. */
const searchNames: Read = async (session, { named, ids }, parameters) => {
  const last = { limit: 1, offset: NAMES_AT_ONCE - 1, most: NAMES_AT_ONCE };
  const [end] = await session.read(ids, { ...parameters, ...last });
  const limit = parameters.most;
  const found = await session.read(named, { ...parameters, limit, scan: NAMES_AT_ONCE + SLACK });
  // Other requests are served between two searches.
  await new Promise<void>((resolve) => setImmediate(resolve));
  const isCutOff = found.length === limit;
  const lowest = end?.id ?? 1;
  const rows = isCutOff ? found : found.filter(({ id }) => id >= lowest);
  return {
    rows: rows.slice(parameters.offset),
    skipped: Math.min(parameters.offset, rows.length),
    next: (isCutOff ? idOfLast(rows) : lowest) - 1,
  };
};

function idOfLast(rows: readonly JobRow[]): number {
  return rows.at(-1)?.id ?? 1;
}

/** The shape of a filter and the values of its parameters; what lets every job through is left out. */
function shapeOf({ states, applications, name }: JobFilter): { shape: ListShape; values: FilterParameters } {
  const names = [...new Set(applications)];
  // The index has the state before the application: each state is looked up by itself.
  const looked = states.length === 0 && names.length > 0 ? PUBLIC_STATES : [...new Set(states)];
  const kept = names.length === 0 && looked.length === PUBLIC_STATES.length ? [] : looked;
  return {
    shape: { states: kept.length, applications: names.length },
    values: {
      pattern: `%${name.replace(/[\\%_]/g, "\\$&")}%`,
      ...Object.fromEntries(kept.map((state, n) => [`state${n}`, state])),
      ...Object.fromEntries(names.map((application, n) => [`application${n}`, application])),
    },
  };
}

/** Keeps within what every database takes: a negative limit means "all" to SQLite and is refused elsewhere. */
export function rowCount(value: number): number {
  return Math.min(Math.max(0, Math.trunc(value)), Number.MAX_SAFE_INTEGER);
}
