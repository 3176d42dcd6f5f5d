import type { AdminStore } from "../../src/ports/admin_store.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import type { MigrationReport } from "./migrate.ts";

/** A job store ready for use, and what had to be done for that. */
export interface OpenedJobStore {
  readonly store: JobStore;
  /** On the same database; closed with the store. */
  readonly admin: AdminStore;
  readonly report: MigrationReport;
}
