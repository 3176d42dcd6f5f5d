import { type Kysely, sql } from "kysely";
import { JOB_COLUMNS } from "./job_row.ts";
import { type ParameterOf, prepareQuery } from "./prepared_query.ts";
import type { Tables } from "./tables.ts";

interface SearchParameters {
  /** Ids above this and up to that. */
  readonly above: number;
  readonly upTo: number;
  /** `,ok,error,`; empty means any. */
  readonly states: string;
  /** The others are compared when they are not empty. */
  readonly destination: string;
  readonly application: string;
  readonly submitter: string;
  readonly since: string;
  readonly until: string;
}

/** The queries of administrators, compiled for the dialect of a database. */
export type AdminQueries = ReturnType<typeof adminQueries>;

export function adminQueries(db: Kysely<Tables>) {
  const matching = (parameter: ParameterOf<SearchParameters>) =>
    db
      .selectFrom("job")
      .select(JOB_COLUMNS)
      .where("id", ">", parameter("above"))
      .where("id", "<=", parameter("upTo"))
      .where("phase", "<>", sql.lit("deleting"))
      .where("created_on", ">=", parameter("since"))
      .where("created_on", "<=", parameter("until"))
      .where(sql<boolean>`(${parameter("states")} = '' or ${parameter("states")} like '%,' || state || ',%')`)
      .where(sql<boolean>`(${parameter("destination")} = '' or destination = ${parameter("destination")})`)
      .where(sql<boolean>`(${parameter("application")} = '' or application = ${parameter("application")})`)
      .where(sql<boolean>`(${parameter("submitter")} = '' or submitter = ${parameter("submitter")})`)
      .orderBy("id");
  return {
    any: prepareQuery((parameter: ParameterOf<SearchParameters>) => matching(parameter)),
    // Spelt out, not a parameter: only then planners take the partial index.
    unfinished: prepareQuery((parameter: ParameterOf<SearchParameters>) =>
      matching(parameter).where("phase", "<>", sql.lit("finished")),
    ),

    highestId: prepareQuery(() => db.selectFrom("job").select("id").orderBy("id", "desc").limit(sql.lit(1))),

    unfinishedCounts: prepareQuery(() =>
      db
        .selectFrom("job")
        .select(["destination", "phase", (count) => count.fn.countAll<number>().as("count")])
        .where("phase", "<>", sql.lit("finished"))
        .groupBy(["destination", "phase"]),
    ),

    modes: prepareQuery(() =>
      db.selectFrom("destination_mode").select(["destination", "mode", "changed_by", "changed_on"]),
    ),

    saveMode: prepareQuery(
      (parameter: ParameterOf<{ destination: string; mode: string; changed_by: string; changed_on: string }>) =>
        db
          .insertInto("destination_mode")
          .values({
            destination: parameter("destination"),
            mode: parameter("mode"),
            changed_by: parameter("changed_by"),
            changed_on: parameter("changed_on"),
          })
          .onConflict((conflict) =>
            conflict.column("destination").doUpdateSet({
              mode: parameter("mode"),
              changed_by: parameter("changed_by"),
              changed_on: parameter("changed_on"),
            }),
          )
          .returning("destination"),
    ),

    orders: prepareQuery(() => db.selectFrom("job_order").select(["job_id", "is_held", "priority"])),

    saveOrder: prepareQuery((parameter: ParameterOf<{ id: number; is_held: number; priority: number }>) =>
      db
        .insertInto("job_order")
        .columns(["job_id", "is_held", "priority"])
        .expression((from) =>
          from
            .selectFrom("job")
            .select([
              "id",
              sql<number>`cast(${parameter("is_held")} as integer)`.as("is_held"),
              sql<number>`cast(${parameter("priority")} as integer)`.as("priority"),
            ])
            .where("id", "=", parameter("id")),
        )
        .onConflict((conflict) =>
          conflict.column("job_id").doUpdateSet({ is_held: parameter("is_held"), priority: parameter("priority") }),
        )
        .returning("job_id"),
    ),

    record: prepareQuery(
      (parameter: ParameterOf<{ recorded_on: string; who: string; action: string; target: string; outcome: string }>) =>
        db
          .insertInto("audit")
          .values({
            recorded_on: parameter("recorded_on"),
            who: parameter("who"),
            action: parameter("action"),
            target: parameter("target"),
            outcome: parameter("outcome"),
          })
          .returning("id"),
    ),

    audit: prepareQuery((parameter: ParameterOf<{ limit: number }>) =>
      db
        .selectFrom("audit")
        .select(["recorded_on", "who", "action", "target", "outcome"])
        .orderBy("id", "desc")
        .limit(parameter("limit")),
    ),
  };
}
