import { type Compilable, type RawBuilder, sql } from "kysely";

/** Stands in a query for the value that `name` will have when it is run. */
export type ParameterOf<Params> = <Name extends keyof Params & string>(name: Name) => RawBuilder<Params[Name]>;

/**
 * A query that Kysely built and compiled once; building it anew for every call would cost more than running it.
 */
export interface PreparedQuery<Params, Row> {
  readonly sql: string;
  /** @returns the values in the order of the placeholders in `sql`. */
  bind(params: Params): unknown[];
  /** Type of the rows that come back; never set. */
  readonly row?: Row;
}

class Placeholder {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * Compiles what `build` returns. The dialect is that of the Kysely instance that `build` uses.
 *
 * @example
 * prepareQuery((parameter: ParameterOf<{ id: number }>) =>
 *   db.selectFrom("job").select("name").where("id", "=", parameter("id")))
 */
export function prepareQuery<Params extends object, Row>(
  build: (parameter: ParameterOf<Params>) => Compilable<Row>,
): PreparedQuery<Params, Row> {
  const compiled = build((name) => sql`${new Placeholder(name)}`).compile();
  const slots = compiled.parameters;
  return {
    sql: compiled.sql,
    bind(params) {
      const values = params as Readonly<Record<string, unknown>>;
      return slots.map((slot) => (slot instanceof Placeholder ? values[slot.name] : slot));
    },
  };
}
