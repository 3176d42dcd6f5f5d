import { BartenderError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { systemClock } from "../clock/system_clock.ts";
import { openSqliteJobStore } from "./sqlite.ts";

/** Where the jobs are kept. */
export type DatabaseLocation = { readonly kind: "sqlite"; readonly path: string } | { readonly kind: "postgres" };

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
export async function openJobStore(location: DatabaseLocation, options: JobStoreOptions): Promise<JobStore> {
  switch (location.kind) {
    case "sqlite":
      return openSqliteJobStore(location.path, options.clock ?? systemClock(), options.logger);
    case "postgres":
      throw new BartenderError("store_not_available", "PostgreSQL is not available yet in this version");
  }
}
