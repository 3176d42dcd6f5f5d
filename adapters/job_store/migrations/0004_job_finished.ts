import { type Kysely, sql } from "kysely";
import type { DialectMigration } from "../sql_dialect.ts";

/** The index that finds finished jobs by application and age, for retention; on SQLite and PostgreSQL alike. */
export const jobFinished0004: DialectMigration = () => ({
  async up(db: Kysely<unknown>) {
    await sql`
      create index job_finished on job (application, coalesce(finished_on, updated_on), id)
      where phase = 'finished'`.execute(db);
  },
});
