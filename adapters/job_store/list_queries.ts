import { type Kysely, type RawBuilder, sql } from "kysely";
import { JOB_COLUMNS, type JobRow } from "./job_row.ts";
import { type ParameterOf, type PreparedQuery, prepareQuery } from "./prepared_query.ts";
import type { Tables } from "./tables.ts";

/** How many values of each kind a list is filtered by. Lists of the same shape share their queries. */
export interface ListShape {
  readonly states: number;
  /** When above 0, states are as well. */
  readonly applications: number;
}

/** What a list is filtered by: one `state…` and `application…` for each value, numbered from 0. */
export interface FilterParameters extends Readonly<Record<`state${number}` | `application${number}`, string>> {
  /** As `like` takes it, with `\\` as its escape. */
  readonly pattern: string;
}

export interface ListParameters extends FilterParameters {
  readonly submitter: string;
  /** Highest id. */
  readonly upTo: number;
  readonly limit: number;
  readonly offset: number;
  /** Both together: more jobs are not looked for in any state or application. */
  readonly most: number;
}

export interface NameParameters extends Omit<ListParameters, "offset" | "most"> {
  readonly scan: number;
}

/** The queries of one shape; jobs come with the highest id first. */
export interface ListQueries {
  readonly page: PreparedQuery<ListParameters, JobRow>;
  /** With a name: of the next `scan` jobs that the other filters leave, those that have it. */
  readonly named: PreparedQuery<NameParameters, JobRow>;
  /** The ids of jobs, whatever their names. */
  readonly ids: PreparedQuery<ListParameters, { id: number }>;
}

/**
 * @returns the queries of a shape, built and compiled when they are first asked for
 */
export function listQueries(db: Kysely<Tables>): (shape: ListShape) => ListQueries {
  const known = new Map<string, ListQueries>();
  return (shape) => {
    const key = JSON.stringify(shape);
    let queries = known.get(key);
    if (queries === undefined) {
      queries = build(db, shape);
      known.set(key, queries);
    }
    return queries;
  };
}

function build(db: Kysely<Tables>, shape: ListShape): ListQueries {
  const jobs = db.selectFrom("job").select(JOB_COLUMNS).orderBy("id", "desc");
  const pageOfIds = (parameter: ParameterOf<ListParameters>) =>
    newest(db, shape, ["id"], parameter, parameter("most"))
      .limit(parameter("limit"))
      .offset(parameter("offset"))
      .$castTo<{ id: number }>();
  return {
    // Found in an index first, so that what an offset skips is never read.
    page: prepareQuery((parameter: ParameterOf<ListParameters>) => jobs.where("id", "in", pageOfIds(parameter))),
    named: prepareQuery((parameter: ParameterOf<NameParameters>) => {
      // Its limit keeps planners from looking for the name in the whole table first.
      const scanned = newest(db, shape, ["id", "name"], parameter, parameter("scan")).limit(parameter("scan"));
      const found = db
        .selectFrom(scanned.as("scanned"))
        .select("id")
        .where(sql<boolean>`lower(name) like lower(${parameter("pattern")}) escape '\\'`)
        .orderBy("id", "desc")
        .limit(parameter("limit"));
      return jobs.where("id", "in", found);
    }),
    ids: prepareQuery(pageOfIds),
  };
}

/**
 * One select for each combination of a state and an application, merged by number: each of them reads an index from its
 * end, and only as far as it has to. A condition `in (…)` would read and sort all that fit, and so would PostgreSQL
 * with a limit on the whole only.
 *
 * @param most how many of each are enough
 */
function newest<Params extends Pick<ListParameters, "submitter" | "upTo"> & FilterParameters>(
  db: Kysely<Tables>,
  shape: ListShape,
  columns: readonly ("id" | "name")[],
  parameter: ParameterOf<Params>,
  most: RawBuilder<number>,
) {
  const all = db
    .selectFrom("job")
    .select(columns)
    .where("submitter", "=", parameter("submitter"))
    // Spelt out, not a parameter: only then the planner takes the partial indexes.
    .where("phase", "<>", sql.lit("deleting"))
    // Without a lower end: that would make the planner leave the state to be compared row by row.
    .where("id", "<=", parameter("upTo"))
    .orderBy("id", "desc")
    .limit(most);
  const byState = numbers(shape.states).map((n) => all.where("state", "=", parameter(`state${n}`)));
  const byBoth = byState.flatMap((query) =>
    numbers(shape.applications).map((n) => query.where("application", "=", parameter(`application${n}`))),
  );
  const [first = all, ...others] = shape.applications > 0 ? byBoth : byState;
  const part = (query: typeof all, index: number) => db.selectFrom(query.as(`part${index}`)).select(columns);
  return others
    .reduce((union, query, index) => union.unionAll(part(query, index + 1)), part(first, 0))
    .orderBy("id", "desc");
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
