import { randomInt } from "node:crypto";
import type { Kysely, Transaction } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { BartenderError } from "../../src/core/errors.ts";
import { job0001 } from "./migrations/0001_job.ts";
import type { Tables } from "./tables.ts";

/** In the order of their names; one that was released is never changed, only followed by another. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "0001_job": job0001,
};

const MIGRATION_TABLE = "bartender_migration";

/** Letters and digits that may stand in a job name of every scheduler. */
const INSTANCE_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const INSTANCE_LENGTH = 10;

/**
 * Brings a database to the newest version and names it, all in one transaction: a second process that opens
 * the same database waits for it and finds nothing left to do.
 *
 * @returns the instance id
 * @throws {BartenderError} when the database was made by a newer version, or holds tables of another program
 */
export function migrate(db: Kysely<Tables>): Promise<string> {
  return db.transaction().execute(async (transaction) => {
    await refuseForeign(transaction);
    const migrator = new Migrator({
      db: transaction,
      provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
      migrationTableName: MIGRATION_TABLE,
      migrationLockTableName: `${MIGRATION_TABLE}_lock`,
    });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    return nameInstance(transaction);
  });
}

async function refuseForeign(db: Transaction<Tables>): Promise<void> {
  const tables = (await db.introspection.getTables()).map((table) => table.name);
  if (tables.length === 0) return;
  if (!tables.includes(MIGRATION_TABLE)) {
    throw new BartenderError("store_foreign", `the database belongs to another program, it has a table "${tables[0]}"`);
  }
  const applied = await db
    .withTables<{ [MIGRATION_TABLE]: { name: string } }>()
    .selectFrom(MIGRATION_TABLE)
    .select("name")
    .orderBy("name")
    .execute();
  const unknown = applied.find(({ name }) => !Object.hasOwn(MIGRATIONS, name));
  if (unknown !== undefined) {
    throw new BartenderError(
      "store_newer",
      `the database was made by a newer version of Bartender (it has the change "${unknown.name}"); run that version`,
    );
  }
}

async function nameInstance(db: Transaction<Tables>): Promise<string> {
  const saved = () =>
    db.selectFrom("bartender_meta").select("value").where("key", "=", "instance_id").executeTakeFirst();
  const existing = await saved();
  if (existing !== undefined) return existing.value;
  const value = Array.from(
    { length: INSTANCE_LENGTH },
    () => INSTANCE_ALPHABET[randomInt(INSTANCE_ALPHABET.length)],
  ).join("");
  await db.insertInto("bartender_meta").values({ key: "instance_id", value }).execute();
  return value;
}
