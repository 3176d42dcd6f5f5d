import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import { MAX_JOB_ID } from "../../../src/core/ids.ts";

/** The tables `job`, `job_history` and `bartender_meta` in SQLite. */
export const job0001: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable("bartender_meta")
      .addColumn("key", "varchar(200)", (column) => column.notNull().primaryKey())
      .addColumn("value", "text", (column) => column.notNull())
      .execute();

    await db.schema
      .createTable("job")
      // With autoincrement the number of a removed job never comes back; directories are named by it.
      .addColumn("id", "integer", (column) =>
        column
          .notNull()
          .primaryKey()
          .autoIncrement()
          .check(sql`id between 1 and ${sql.lit(MAX_JOB_ID)}`),
      )
      .addColumn("name", "varchar(200)", (column) => column.notNull())
      .addColumn("application", "varchar(200)", (column) => column.notNull())
      .addColumn("state", "varchar(20)", (column) => column.notNull())
      .addColumn("submitter", "varchar(254)", (column) => column.notNull())
      .addColumn("internal_id", "varchar(200)")
      .addColumn("destination", "varchar(200)")
      .addColumn("created_on", "text", (column) => column.notNull())
      .addColumn("updated_on", "text", (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull().defaultTo(1))
      .addColumn("phase", "varchar(20)", (column) => column.notNull())
      .addColumn("attempt", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("progress", "text")
      .addColumn("parameters", "text", (column) => column.notNull().defaultTo("{}"))
      .addColumn("reason", "text")
      .addColumn("started_on", "text")
      .addColumn("finished_on", "text")
      .addColumn("saved_on", "text", (column) => column.notNull())
      .execute();

    // Partial, so that a page far down the list of a submitter is counted off in the index alone.
    await sql`create index job_listed on job (submitter, id) where phase <> 'deleting'`.execute(db);
    await sql`create index job_unfinished on job (id) where phase <> 'finished'`.execute(db);

    await db.schema
      .createTable("job_history")
      .addColumn("job_id", "integer", (column) => column.notNull().references("job.id").onDelete("cascade"))
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("recorded_on", "text", (column) => column.notNull())
      .addColumn("phase", "varchar(20)", (column) => column.notNull())
      .addColumn("state", "varchar(20)", (column) => column.notNull())
      .addColumn("attempt", "integer", (column) => column.notNull())
      .addColumn("reason", "text")
      .addPrimaryKeyConstraint("job_history_pkey", ["job_id", "version"])
      .modifyEnd(sql`without rowid`)
      .execute();

    for (const [name, moment] of [
      ["job_inserted", "insert"],
      ["job_saved", "update of version"],
    ] as const) {
      await sql`
        create trigger ${sql.id(name)} after ${sql.raw(moment)} on job
        begin
          insert into job_history (job_id, version, recorded_on, phase, state, attempt, reason)
          values (new.id, new.version, new.saved_on, new.phase, new.state, new.attempt, new.reason);
        end`.execute(db);
    }
  },
};
