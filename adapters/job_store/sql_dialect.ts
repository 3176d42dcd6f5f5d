import type { Migration } from "kysely/migration";

/** The databases that a store can be kept in. */
export type SqlDialect = "sqlite" | "postgres";

/** A change of the tables, for each of the databases. */
export type DialectMigration = (dialect: SqlDialect) => Migration;

/** The type of columns that hold a time: SQLite has none and keeps ISO 8601 text. */
export function timeType(dialect: SqlDialect): "text" | "timestamptz" {
  return dialect === "sqlite" ? "text" : "timestamptz";
}
