import { type Kysely, sql } from "kysely";
import { JOB_COLUMNS } from "./job_row.ts";
import { listQueries } from "./list_queries.ts";
import { type ParameterOf, prepareQuery } from "./prepared_query.ts";
import type { JobTable, Tables } from "./tables.ts";

interface InsertParameters {
  readonly name: string;
  readonly application: string;
  readonly submitter: string;
  readonly parameters: string;
  readonly origin: string | null;
  readonly state: string;
  readonly phase: string;
  readonly progress: string;
  readonly idempotency_key: string | null;
  readonly request_digest: string | null;
  readonly upload: string;
  readonly now: string;
}

interface SaveParameters
  extends Pick<
    JobTable,
    | "state"
    | "phase"
    | "internal_id"
    | "destination"
    | "progress"
    | "reason"
    | "submitted_on"
    | "started_on"
    | "finished_on"
  > {
  readonly id: number;
  readonly version: number;
  readonly attempt: number;
  readonly updated_on: string;
  readonly save_id: string;
  readonly now: string;
}

/** When a finished job ended; spelt as in the index `job_finished`. Rows taken over know only their last change. */
const finishedOn = sql<string>`coalesce(finished_on, updated_on)`;

/** All queries of the job store, compiled for the dialect of a database. */
export type JobQueries = ReturnType<typeof jobQueries>;

/**
 * Builds the queries once. Every write is one statement, so that it is atomic on any database without a
 * transaction around it; history lines come from triggers.
 */
export function jobQueries(db: Kysely<Tables>) {
  const jobs = db.selectFrom("job").select(JOB_COLUMNS);
  return {
    insert: prepareQuery((parameter: ParameterOf<InsertParameters>) =>
      db
        .insertInto("job")
        .values({
          name: parameter("name"),
          application: parameter("application"),
          submitter: parameter("submitter"),
          parameters: parameter("parameters"),
          origin: parameter("origin"),
          state: parameter("state"),
          phase: parameter("phase"),
          progress: parameter("progress"),
          version: 1,
          attempt: 0,
          created_on: parameter("now"),
          updated_on: parameter("now"),
          saved_on: parameter("now"),
          idempotency_key: parameter("idempotency_key"),
          request_digest: parameter("request_digest"),
          upload: parameter("upload"),
        })
        // What can be there already is a job with this key, or this very job from an earlier try.
        .onConflict((conflict) => conflict.doNothing())
        .returning("id"),
    ),

    keyed: prepareQuery((parameter: ParameterOf<{ submitter: string; key: string }>) =>
      db
        .selectFrom("job")
        .select(["id", "application", "phase", "request_digest"])
        .where("submitter", "=", parameter("submitter"))
        .where("idempotency_key", "=", parameter("key")),
    ),

    uploaded: prepareQuery((parameter: ParameterOf<{ upload: string }>) =>
      db.selectFrom("job").select(["id", "version"]).where("upload", "=", parameter("upload")),
    ),

    withdraw: prepareQuery((parameter: ParameterOf<{ upload: string }>) =>
      db.deleteFrom("job").where("upload", "=", parameter("upload")).returning("id"),
    ),

    nthStored: prepareQuery((parameter: ParameterOf<{ submitter: string; before: number }>) =>
      db
        .selectFrom("job")
        .select("id")
        .where("submitter", "=", parameter("submitter"))
        .where("phase", "<>", sql.lit("deleting"))
        .orderBy("id")
        .limit(1)
        .offset(parameter("before")),
    ),

    nthUnfinished: prepareQuery((parameter: ParameterOf<{ submitter: string; before: number }>) =>
      db
        .selectFrom("job")
        .select("id")
        .where("submitter", "=", parameter("submitter"))
        .where("phase", "<>", sql.lit("finished"))
        .where("phase", "<>", sql.lit("deleting"))
        .limit(1)
        .offset(parameter("before")),
    ),

    save: prepareQuery((parameter: ParameterOf<SaveParameters>) =>
      db
        .updateTable("job")
        .set({
          state: parameter("state"),
          phase: parameter("phase"),
          internal_id: parameter("internal_id"),
          destination: parameter("destination"),
          progress: parameter("progress"),
          reason: parameter("reason"),
          attempt: parameter("attempt"),
          updated_on: parameter("updated_on"),
          submitted_on: parameter("submitted_on"),
          started_on: parameter("started_on"),
          finished_on: parameter("finished_on"),
          saved_on: parameter("now"),
          save_id: parameter("save_id"),
          version: sql<number>`version + 1`,
        })
        .where("id", "=", parameter("id"))
        .where("version", "=", parameter("version"))
        .returning(["name", "version"]),
    ),

    rename: prepareQuery((parameter: ParameterOf<{ id: number; name: string }>) =>
      db
        .updateTable("job")
        .set({ name: parameter("name") })
        .where("id", "=", parameter("id"))
        .returning("id"),
    ),

    remove: prepareQuery((parameter: ParameterOf<{ id: number }>) =>
      db.deleteFrom("job").where("id", "=", parameter("id")).returning("id"),
    ),

    get: prepareQuery((parameter: ParameterOf<{ id: number }>) => jobs.where("id", "=", parameter("id"))),

    current: prepareQuery((parameter: ParameterOf<{ id: number }>) =>
      db.selectFrom("job").select(["name", "version", "save_id"]).where("id", "=", parameter("id")),
    ),

    list: listQueries(db),

    unfinished: prepareQuery((parameter: ParameterOf<{ after: number; limit: number }>) =>
      jobs
        .where("phase", "<>", sql.lit("finished"))
        .where("id", ">", parameter("after"))
        .orderBy("id")
        .limit(parameter("limit")),
    ),

    finishedBefore: prepareQuery(
      (parameter: ParameterOf<{ application: string; before: string; limit: number; offset: number }>) =>
        db
          .selectFrom("job")
          .select(["id", "submitter", finishedOn.as("finished_on")])
          .where("phase", "=", sql.lit("finished"))
          .where("application", "=", parameter("application"))
          .where(finishedOn, "<", parameter("before"))
          .orderBy(finishedOn)
          .orderBy("id")
          .limit(parameter("limit"))
          .offset(parameter("offset")),
    ),

    // A step in the index; `distinct` would read all of it.
    nextFinishedApplication: prepareQuery((parameter: ParameterOf<{ after: string }>) =>
      db
        .selectFrom("job")
        .select("application")
        .where("phase", "=", sql.lit("finished"))
        .where("application", ">", parameter("after"))
        .orderBy("application")
        .limit(sql.lit(1)),
    ),

    ids: prepareQuery((parameter: ParameterOf<{ after: number; limit: number }>) =>
      db.selectFrom("job").select("id").where("id", ">", parameter("after")).orderBy("id").limit(parameter("limit")),
    ),

    history: prepareQuery((parameter: ParameterOf<{ id: number }>) =>
      db
        .selectFrom("job_history")
        .select(["version", "recorded_on", "phase", "state", "attempt", "reason"])
        .where("job_id", "=", parameter("id"))
        .orderBy("version"),
    ),

    meta: prepareQuery((parameter: ParameterOf<{ key: string }>) =>
      db.selectFrom("bartender_meta").select("value").where("key", "=", parameter("key")),
    ),
  };
}
