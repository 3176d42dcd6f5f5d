import type { DatabaseConfig } from "../../src/config/database_url.ts";
import { BartenderError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { systemClock } from "../clock/system_clock.ts";
import { openSqliteJobStore } from "./sqlite.ts";

export interface JobStoreOptions {
  readonly logger: Logger;
  /** For waiting on locks of other processes; default: the machine's. */
  readonly clock?: Clock;
}

/**
 * Opens the job store, made and brought up to date where needed.
 *
 * @throws {BartenderError} when the database cannot be used; the message says what to do
 * @throws {StoreUnavailableError} when it cannot be reached right now
 */
export async function openJobStore(database: DatabaseConfig, options: JobStoreOptions): Promise<JobStore> {
  switch (database.kind) {
    case "sqlite":
      return openSqliteJobStore(database.path, options.clock ?? systemClock(), options.logger);
    case "postgres":
      throw new BartenderError("store_not_available", "PostgreSQL is not available yet in this version");
  }
}
