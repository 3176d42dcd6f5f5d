import type { Kysely } from "kysely";
import type { DialectMigration } from "../sql_dialect.ts";

/** Where a job comes from: the request, its input, the job that it is a retry of. */
export const jobOrigin0006: DialectMigration = () => ({
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable("job").addColumn("origin", "text").execute();
  },
});
