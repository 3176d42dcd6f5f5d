import { type DatabaseConfig, describeDatabase } from "../../src/config/database_url.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { systemClock } from "../clock/system_clock.ts";
import type { MigrationReport } from "./migrate.ts";
import type { OpenedJobStore } from "./opened.ts";
import { openPostgresJobStore } from "./postgres.ts";
import { openSqliteJobStore } from "./sqlite.ts";

export interface JobStoreOptions {
  readonly logger: Logger;
  /** For waiting on locks of other processes and on servers; default: the machine's. */
  readonly clock?: Clock;
  /** Refuses a database that is missing or not up to date, instead of changing it. */
  readonly mustBeCurrent?: boolean;
  /**
   * Waits for the disk on a thread of its own, so that the caller's never stands still for it; takes about 10 MB. Only
   * SQLite needs it. Default: false.
   */
  readonly hasWriterThread?: boolean;
  /** False while another process may have the right to write, so that nothing is written; default: never. */
  readonly mayWrite?: () => boolean;
}

/**
 * Opens the job store, made and brought up to date where needed.
 *
 * @throws {BartenderError} when the database cannot be used; the message says what to do
 * @throws {StoreUnavailableError} when it cannot be reached right now
 */
export async function openJobStore(database: DatabaseConfig, options: JobStoreOptions): Promise<JobStore> {
  return (await openStores(database, options)).store;
}

/** The job store, and what only administrators ask of the same database. @throws as {@link openJobStore} */
export async function openStores(
  database: DatabaseConfig,
  options: JobStoreOptions,
): Promise<Pick<OpenedJobStore, "store" | "admin">> {
  const { store, admin, report } = await open(database, options);
  const { applied, adopted } = report;
  if (applied.length > 0 && !report.isNew) {
    options.logger.info("The database was brought up to date", { database: describeDatabase(database), applied });
  }
  if (adopted !== undefined) options.logger.info("The jobs of the Python Bartender were taken over", { ...adopted });
  return { store, admin };
}

/**
 * Brings a database up to date and does nothing else with it.
 *
 * @throws as {@link openJobStore}
 */
export async function migrateJobStore(database: DatabaseConfig, options: JobStoreOptions): Promise<MigrationReport> {
  const { store, report } = await open(database, options);
  await store.close();
  return report;
}

async function open(
  database: DatabaseConfig,
  {
    clock = systemClock(),
    logger,
    mustBeCurrent = false,
    hasWriterThread = false,
    mayWrite = () => true,
  }: JobStoreOptions,
): Promise<OpenedJobStore> {
  switch (database.kind) {
    case "sqlite":
      return openSqliteJobStore(database.path, { clock, logger, mustBeCurrent, hasWriterThread });
    case "postgres":
      return openPostgresJobStore(database, { clock, logger, mustBeCurrent, mayWrite });
  }
}
