import { randomInt } from "node:crypto";
import { type Kysely, sql, type Transaction } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { BartenderError } from "../../src/core/errors.ts";
import { job0001 } from "./migrations/0001_job.ts";
import { jobListing0002 } from "./migrations/0002_job_listing.ts";
import { submissionKey0003 } from "./migrations/0003_submission_key.ts";
import { jobFinished0004 } from "./migrations/0004_job_finished.ts";
import { console0005 } from "./migrations/0005_console.ts";
import { jobOrigin0006 } from "./migrations/0006_job_origin.ts";
import { type AdoptedJobs, adoptPythonJobs, isPythonJobTable, setPythonJobsAside } from "./python_jobs.ts";
import type { DialectMigration, SqlDialect } from "./sql_dialect.ts";
import type { Tables } from "./tables.ts";

/** In the order of their names; one that was released is never changed, only followed by another. */
const MIGRATIONS: Readonly<Record<string, DialectMigration>> = {
  "0001_job": job0001,
  "0002_job_listing": jobListing0002,
  "0003_submission_key": submissionKey0003,
  "0004_job_finished": jobFinished0004,
  "0005_console": console0005,
  "0006_job_origin": jobOrigin0006,
};

const MIGRATION_TABLE = "bartender_migration";

/** Tables of ours that may be there before the first migration. */
const EARLY_TABLES: ReadonlySet<string> = new Set(["bartender_writer"]);

/** First half of the number of an advisory lock; the second is the schema. */
const LOCK_CLASS = 0x42_61_72_75;

/** Letters and digits that may stand in a job name of every scheduler. */
const INSTANCE_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const INSTANCE_LENGTH = 10;

/** What was done to a database to bring it to the newest version. */
export interface MigrationReport {
  /** Name of the database, random. */
  readonly instanceId: string;
  /** True when the database was empty. */
  readonly isNew: boolean;
  /** Names of the changes that were made, oldest first. */
  readonly applied: readonly string[];
  /** Jobs of the Python Bartender that were taken over; undefined when it was not its database. */
  readonly adopted: AdoptedJobs | undefined;
}

/**
 * Brings a database to the newest version and names it, all in one transaction: a second process that opens
 * the same database waits for it and finds nothing left to do.
 *
 * @param mustBeCurrent changes nothing, and refuses a database that would have to be changed
 * @throws {BartenderError} when the database was made by a newer version, or holds tables of another program
 */
export function migrate(db: Kysely<Tables>, dialect: SqlDialect, mustBeCurrent = false): Promise<MigrationReport> {
  return db.transaction().execute(async (transaction) => {
    if (dialect === "postgres") {
      await sql`select pg_advisory_xact_lock(${sql.lit(LOCK_CLASS)}, hashtext(current_schema()))`.execute(transaction);
    }
    const schema = dialect === "sqlite" ? undefined : await currentSchema(transaction);
    const kind = await kindOfDatabase(transaction, schema);
    const isPython = kind === "python";
    if (mustBeCurrent && kind !== "ours") throw outdated();
    if (isPython) await setPythonJobsAside(transaction);
    const migrator = new Migrator({
      db: transaction,
      provider: { getMigrations: async () => migrationsFor(dialect) },
      migrationTableName: MIGRATION_TABLE,
      migrationLockTableName: `${MIGRATION_TABLE}_lock`,
      // Otherwise those of another schema would be taken for ours.
      ...(schema === undefined ? {} : { migrationTableSchema: schema }),
    });
    if (mustBeCurrent && (await migrator.getMigrations()).some(({ executedAt }) => executedAt === undefined)) {
      throw outdated();
    }
    const { error, results = [] } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    const adopted = isPython ? await adoptPythonJobs(transaction, dialect) : undefined;
    const applied = results.map((result) => result.migrationName);
    return { instanceId: await nameInstance(transaction), isNew: kind === "empty", applied, adopted };
  });
}

function outdated(): BartenderError {
  return new BartenderError(
    "store_outdated",
    "the database is not up to date; the daemon of this version has to run first",
  );
}

function migrationsFor(dialect: SqlDialect): Record<string, Migration> {
  return Object.fromEntries(Object.entries(MIGRATIONS).map(([name, make]) => [name, make(dialect)]));
}

/** @throws {BartenderError} when it is none of these */
async function kindOfDatabase(
  db: Transaction<Tables>,
  schema: string | undefined,
): Promise<"empty" | "ours" | "python"> {
  const tables = (await db.introspection.getTables()).filter(
    (table) => table.schema === schema && !EARLY_TABLES.has(table.name),
  );
  if (tables.length === 0) return "empty";
  if (tables.some(({ name }) => name === MIGRATION_TABLE)) {
    await refuseNewer(db);
    return "ours";
  }
  const job = tables.find(({ name }) => name === "job");
  if (job !== undefined && isPythonJobTable(job.columns.map((column) => column.name))) return "python";
  if (tables.some(({ name }) => name === "alembic_version")) {
    throw new BartenderError(
      "store_python",
      "the database is of another version than Python Bartender 0.5; bring it there first, with alembic upgrade head",
    );
  }
  throw new BartenderError(
    "store_foreign",
    `the database belongs to another program, it has a table "${tables[0]?.name}"`,
  );
}

async function currentSchema(db: Transaction<Tables>): Promise<string> {
  const { rows } = await sql<{ name: string | null }>`select current_schema() as name`.execute(db);
  const name = rows[0]?.name ?? undefined;
  if (name === undefined) throw new BartenderError("store_schema", "the search_path names no schema that exists");
  return name;
}

async function refuseNewer(db: Transaction<Tables>): Promise<void> {
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
