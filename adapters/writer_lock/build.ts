import { type DatabaseConfig, describeDatabase } from "../../src/config/database_url.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { WriterLock } from "../../src/ports/writer_lock.ts";
import { readPostgresUrl } from "../postgres/settings.ts";
import { postgresWriterLock } from "./postgres.ts";
import { PRIVATE_LOCK, sqliteWriterLock } from "./sqlite.ts";

export interface WriterLockOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The writer lock of a database.
 *
 * @throws {BartenderError} when an option of the database's address cannot be understood
 */
export function buildWriterLock(database: DatabaseConfig, options: WriterLockOptions): WriterLock {
  switch (database.kind) {
    case "sqlite":
      return database.path === ":memory:" ? PRIVATE_LOCK : sqliteWriterLock(`${database.path}-lock`);
    case "postgres":
      return postgresWriterLock({
        name: describeDatabase(database),
        settings: readPostgresUrl(database.url),
        ...options,
      });
  }
}
