import { type Kysely, sql } from "kysely";
import { JOB_COLUMNS } from "./job_row.ts";
import { type ParameterOf, prepareQuery } from "./prepared_query.ts";
import type { JobTable, Tables } from "./tables.ts";

interface InsertParameters {
  readonly name: string;
  readonly application: string;
  readonly submitter: string;
  readonly parameters: string;
  readonly state: string;
  readonly phase: string;
  readonly progress: string;
  readonly now: string;
}

interface SaveParameters
  extends Pick<
    JobTable,
    "state" | "phase" | "internal_id" | "destination" | "progress" | "reason" | "started_on" | "finished_on"
  > {
  readonly id: number;
  readonly version: number;
  readonly attempt: number;
  readonly updated_on: string;
  readonly now: string;
}

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
          state: parameter("state"),
          phase: parameter("phase"),
          progress: parameter("progress"),
          version: 1,
          attempt: 0,
          created_on: parameter("now"),
          updated_on: parameter("now"),
          saved_on: parameter("now"),
        })
        .returning("id"),
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
          started_on: parameter("started_on"),
          finished_on: parameter("finished_on"),
          saved_on: parameter("now"),
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

    version: prepareQuery((parameter: ParameterOf<{ id: number }>) =>
      db.selectFrom("job").select("version").where("id", "=", parameter("id")),
    ),

    list: prepareQuery((parameter: ParameterOf<{ submitter: string; limit: number; offset: number }>) =>
      jobs
        .where("submitter", "=", parameter("submitter"))
        // Spelt out, not a parameter: only then the planner takes the partial index.
        .where("phase", "<>", sql.lit("deleting"))
        .orderBy("id", "desc")
        .limit(parameter("limit"))
        .offset(parameter("offset")),
    ),

    unfinished: prepareQuery((parameter: ParameterOf<{ after: number; limit: number }>) =>
      jobs
        .where("phase", "<>", sql.lit("finished"))
        .where("id", ">", parameter("after"))
        .orderBy("id")
        .limit(parameter("limit")),
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
