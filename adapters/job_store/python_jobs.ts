import { type Insertable, type RawBuilder, sql, type Transaction } from "kysely";
import { type SchedulerJobId, schedulerJobId } from "../../src/core/ids.ts";
import type { Outcome, Progress } from "../../src/core/job.ts";
import { UNFINISHED_IN_PYTHON } from "../../src/core/python_job.ts";
import { progressColumns } from "./job_row.ts";
import type { SqlDialect } from "./sql_dialect.ts";
import type { JobTable, Tables } from "./tables.ts";

/** The table `job` of the Python Bartender 0.5. */
const COLUMNS = [
  ...(["id", "name", "application", "state", "submitter"] as const),
  ...(["internal_id", "destination", "created_on", "updated_on"] as const),
];

/** Its name while its rows are carried over. */
const ASIDE = "bartender_python_job";

interface PythonJobTable extends Pick<JobTable, Exclude<(typeof COLUMNS)[number], "id">> {
  readonly id: number;
}

/** How many jobs were taken over. */
export interface AdoptedJobs {
  readonly jobs: number;
  /** Of those, the ones in no final state. */
  readonly unfinished: number;
}

/** Whether a table with these columns is the one of the Python Bartender 0.5. */
export function isPythonJobTable(columns: readonly string[]): boolean {
  return columns.length === COLUMNS.length && COLUMNS.every((column) => columns.includes(column));
}

/** Makes room for our table of the same name. */
export async function setPythonJobsAside(db: Transaction<Tables>): Promise<void> {
  await db.schema.alterTable("job").renameTo(ASIDE).execute();
}

/**
 * Carries the rows over into our table, with their ids, and removes the old one. New ids go on above all old ones.
 * Finished jobs keep their state; for the others see {@link progressOf}.
 */
export async function adoptPythonJobs(db: Transaction<Tables>, dialect: SqlDialect): Promise<AdoptedJobs> {
  const python = db.withTables<{ [ASIDE]: PythonJobTable }>();
  const carried = [...COLUMNS, "phase", "saved_on", "finished_on"] as const;
  await python
    .insertInto("job")
    .columns(carried)
    .expression((from) =>
      from
        .selectFrom(ASIDE)
        .select([
          ...(["id", "name", "application", "state", "submitter", "internal_id", "destination"] as const),
          timeOf(dialect, "created_on").as("created_on"),
          timeOf(dialect, "updated_on").as("updated_on"),
          sql.lit("finished").as("phase"),
          timeOf(dialect, "updated_on").as("saved_on"),
          timeOf(dialect, "updated_on").as("finished_on"),
        ])
        .where("state", "in", ["ok", "error"])
        .orderBy("id"),
    )
    .execute();
  const unfinished = await python
    .selectFrom(ASIDE)
    .select(["id", "name", "application", "state", "submitter", "internal_id", "destination"])
    .select([timeOf(dialect, "created_on").as("created_on"), timeOf(dialect, "updated_on").as("updated_on")])
    .where("state", "not in", ["ok", "error"])
    .orderBy("id")
    .execute();
  for (const row of unfinished) await db.insertInto("job").values(unfinishedRow(row)).execute();
  if (dialect === "postgres") await continueIds(db);
  await db.schema.dropTable(ASIDE).execute();
  const { count } = await db
    .selectFrom("job")
    .select((of) => of.fn.countAll().as("count"))
    .executeTakeFirstOrThrow();
  return { jobs: Number(count), unfinished: unfinished.length };
}

/** SQLAlchemy writes times into SQLite without a zone, in UTC. */
function timeOf(dialect: SqlDialect, column: "created_on" | "updated_on"): RawBuilder<string> {
  return dialect === "sqlite"
    ? sql<string>`replace(${sql.ref(column)}, ' ', 'T') || 'Z'`
    : sql<string>`${sql.ref(column)}`;
}

function unfinishedRow(row: PythonJobTable): Insertable<JobTable> {
  const times = { created_on: row.created_on, updated_on: row.updated_on, saved_on: row.updated_on };
  return {
    ...{ id: row.id, name: row.name, application: row.application, submitter: row.submitter },
    ...times,
    ...progressColumns(progressOf(row)),
  };
}

/**
 * Where a job stands that the Python Bartender did not bring to its end. One that a scheduler has may still be
 * running there: it is followed, unless the daemon finds that nobody can be asked for it.
 */
function progressOf({ state, destination, internal_id }: PythonJobTable): Progress {
  const outcome: Outcome = { isOk: false, returnCode: null, reason: UNFINISHED_IN_PYTHON };
  if (destination === null || internal_id === null) {
    return { phase: "closing", placement: null, schedulerJobId: null, outcome, cancellation: null };
  }
  // Whether files have to be moved follows from the configuration, which is not known here.
  const placed = { destination, isStaged: false };
  const followed: { readonly schedulerJobId: SchedulerJobId } = { schedulerJobId: schedulerJobId(internal_id) };
  switch (state) {
    case "running":
      return { phase: "running", ...placed, ...followed };
    case "staging_out":
      return { phase: "staging_out", ...placed, ...followed, outcome, cancellation: null };
    default:
      return { phase: "queued", ...placed, ...followed, rerun: null, note: null };
  }
}

async function continueIds(db: Transaction<Tables>): Promise<void> {
  // A removed job may have had a higher number than those that are left.
  await sql`
    select setval(pg_get_serial_sequence('job', 'id'), 1 + greatest(
      (select coalesce(max(id), 0) from job),
      coalesce(pg_sequence_last_value(pg_get_serial_sequence(${sql.lit(ASIDE)}, 'id')::regclass), 0)
    ), false)`.execute(db);
}
