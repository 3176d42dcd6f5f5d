import { type Kysely, type RawBuilder, sql } from "kysely";
import { MAX_JOB_ID } from "../../../src/core/ids.ts";
import { type DialectMigration, type SqlDialect, timeType } from "../sql_dialect.ts";

/** The tables `job`, `job_history` and `bartender_meta`. */
export const job0001: DialectMigration = (dialect) => ({
  async up(db: Kysely<unknown>) {
    const time = timeType(dialect);
    await db.schema
      .createTable("bartender_meta")
      .addColumn("key", "varchar(200)", (column) => column.notNull().primaryKey())
      .addColumn("value", "text", (column) => column.notNull())
      .execute();

    await db.schema
      .createTable("job")
      // The number of a removed job never comes back; directories are named by it.
      .addColumn("id", "integer", (column) =>
        (dialect === "sqlite" ? column.autoIncrement() : column.generatedByDefaultAsIdentity())
          .notNull()
          .primaryKey()
          .check(sql`id between 1 and ${sql.lit(MAX_JOB_ID)}`),
      )
      .addColumn("name", "varchar(200)", (column) => column.notNull())
      .addColumn("application", "varchar(200)", (column) => column.notNull())
      .addColumn("state", "varchar(20)", (column) => column.notNull())
      .addColumn("submitter", "varchar(254)", (column) => column.notNull())
      .addColumn("internal_id", "varchar(200)")
      .addColumn("destination", "varchar(200)")
      .addColumn("created_on", time, (column) => column.notNull())
      .addColumn("updated_on", time, (column) => column.notNull())
      .addColumn("version", "integer", (column) => column.notNull().defaultTo(1))
      .addColumn("phase", "varchar(20)", (column) => column.notNull())
      .addColumn("attempt", "integer", (column) => column.notNull().defaultTo(0))
      // Text, not a JSON type: those change numbers and the order of keys, and PostgreSQL's refuses some characters.
      .addColumn("progress", "text")
      .addColumn("parameters", "text", (column) => column.notNull().defaultTo("{}"))
      .addColumn("reason", "text")
      .addColumn("started_on", time)
      .addColumn("finished_on", time)
      .addColumn("saved_on", time, (column) => column.notNull())
      .addColumn("upload", "text")
      .addColumn("save_id", "text")
      .execute();

    // Partial, so that a page far down the list of a submitter is counted off in the index alone.
    await sql`create index job_listed on job (submitter, id) where phase <> 'deleting'`.execute(db);
    await sql`create index job_unfinished on job (id) where phase <> 'finished'`.execute(db);
    await db.schema.createIndex("job_upload").unique().on("job").column("upload").execute();

    const history = db.schema
      .createTable("job_history")
      .addColumn("job_id", "integer", (column) => column.notNull().references("job.id").onDelete("cascade"))
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("recorded_on", time, (column) => column.notNull())
      .addColumn("phase", "varchar(20)", (column) => column.notNull())
      .addColumn("state", "varchar(20)", (column) => column.notNull())
      .addColumn("attempt", "integer", (column) => column.notNull())
      .addColumn("reason", "text")
      .addPrimaryKeyConstraint("job_history_pkey", ["job_id", "version"]);
    await (dialect === "sqlite" ? history.modifyEnd(sql`without rowid`) : history).execute();

    for (const statement of historyTriggers(dialect)) await statement.execute(db);
  },
});

/** History lines are part of the statement that they tell of, whoever makes it. */
function historyTriggers(dialect: SqlDialect): readonly RawBuilder<unknown>[] {
  const line = sql`
    insert into job_history (job_id, version, recorded_on, phase, state, attempt, reason)
    values (new.id, new.version, new.saved_on, new.phase, new.state, new.attempt, new.reason);`;
  const triggers = [
    ["job_inserted", "insert"],
    ["job_saved", "update of version"],
  ] as const;
  switch (dialect) {
    case "sqlite":
      return triggers.map(
        ([name, moment]) => sql`create trigger ${sql.id(name)} after ${sql.raw(moment)} on job begin ${line} end`,
      );
    case "postgres":
      return [
        sql`create function job_history_line() returns trigger language plpgsql as $$ begin ${line} return null; end $$`,
        ...triggers.map(
          ([name, moment]) =>
            sql`create trigger ${sql.id(name)} after ${sql.raw(moment)} on job
                for each row execute function job_history_line()`,
        ),
      ];
  }
}
