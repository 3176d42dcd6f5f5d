import { type Kysely, sql } from "kysely";
import { type DialectMigration, timeType } from "../sql_dialect.ts";

/** When a job was handed over, and the indexes that find the jobs of one submitter by state and application. */
export const jobListing0002: DialectMigration = (dialect) => ({
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable("job").addColumn("submitted_on", timeType(dialect)).execute();
    // Each ends with the number, so that the newest ones are read in their order, however many there are.
    await sql`create index job_by_state on job (submitter, state, id) where phase <> 'deleting'`.execute(db);
    await sql`
      create index job_by_state_application on job (submitter, state, application, id)
      where phase <> 'deleting'`.execute(db);
  },
});
