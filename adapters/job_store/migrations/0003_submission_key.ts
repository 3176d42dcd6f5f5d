import { type Kysely, sql } from "kysely";
import type { DialectMigration } from "../sql_dialect.ts";

/** Lets a submission be known again by its key, and the unfinished jobs of one submitter be counted quickly. */
export const submissionKey0003: DialectMigration = () => ({
  async up(db: Kysely<unknown>) {
    // One statement for each column: SQLite adds only one at a time.
    await db.schema.alterTable("job").addColumn("idempotency_key", "varchar(255)").execute();
    await db.schema.alterTable("job").addColumn("request_digest", "varchar(64)").execute();
    // Partial, because most jobs have no key.
    await sql`
      create unique index job_idempotency on job (submitter, idempotency_key)
      where idempotency_key is not null`.execute(db);
    await sql`create index job_unfinished_of on job (submitter) where phase <> 'finished'`.execute(db);
  },
});
