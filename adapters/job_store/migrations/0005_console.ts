import type { Kysely } from "kysely";
import { type DialectMigration, timeType } from "../sql_dialect.ts";

/** What administrators decide on the console, and the record of it. */
export const console0005: DialectMigration = (dialect) => ({
  async up(db: Kysely<unknown>) {
    const time = timeType(dialect);
    await db.schema
      .createTable("destination_mode")
      .addColumn("destination", "varchar(200)", (column) => column.notNull().primaryKey())
      .addColumn("mode", "varchar(20)", (column) => column.notNull())
      .addColumn("changed_by", "text", (column) => column.notNull())
      .addColumn("changed_on", time, (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("job_order")
      .addColumn("job_id", "integer", (column) =>
        column.notNull().primaryKey().references("job.id").onDelete("cascade"),
      )
      .addColumn("is_held", "integer", (column) => column.notNull())
      .addColumn("priority", "integer", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("audit")
      .addColumn("id", "integer", (column) =>
        (dialect === "sqlite" ? column.autoIncrement() : column.generatedByDefaultAsIdentity()).notNull().primaryKey(),
      )
      .addColumn("recorded_on", time, (column) => column.notNull())
      .addColumn("who", "text", (column) => column.notNull())
      .addColumn("action", "text", (column) => column.notNull())
      .addColumn("target", "text", (column) => column.notNull())
      .addColumn("outcome", "text", (column) => column.notNull())
      .execute();
  },
});
