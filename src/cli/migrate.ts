import { type DatabaseConfig, describeDatabase } from "../config/database_url.ts";
import { messageOf } from "../core/errors.ts";
import type { WriterLock } from "../ports/writer_lock.ts";
import { type CommandIo, EXIT } from "./io.ts";

/** What was done to a database to bring it to the newest version. */
export interface Migrated {
  readonly isNew: boolean;
  /** Names of the changes that were made, oldest first. */
  readonly applied: readonly string[];
  /** What was taken over from the Python Bartender, if anything. */
  readonly adopted: { readonly jobs: number; readonly unfinished: number } | undefined;
}

export interface MigrateOptions {
  readonly database: DatabaseConfig;
  /** Held meanwhile, as a daemon must not run on tables that change. @throws where its settings are wrong */
  readonly lock: () => WriterLock;
  readonly migrate: (database: DatabaseConfig) => Promise<Migrated>;
}

/**
 * Brings the database to the newest version and says what was done.
 *
 * @returns the exit status: 0 when it is of the newest version now, else 1
 */
export async function runMigrate({ database, lock, migrate }: MigrateOptions, io: CommandIo): Promise<number> {
  const name = describeDatabase(database);
  try {
    const answer = await lock().tryAcquire();
    if (!answer.isAcquired) {
      io.stderr(`bartender: ${name} is in use by ${answer.holder}; stop that daemon first\n`);
      return EXIT.fault;
    }
    try {
      io.stdout(`${name}: ${describe(await migrate(database))}\n`);
      return EXIT.ok;
    } finally {
      await answer.lock.release();
    }
  } catch (error) {
    io.stderr(`bartender: ${messageOf(error)}\n`);
    return EXIT.fault;
  }
}

function describe({ isNew, applied, adopted }: Migrated): string {
  if (applied.length === 0) return "is up to date";
  const made = isNew ? "tables made" : "brought up to date";
  const taken =
    adopted === undefined
      ? ""
      : `; took over ${adopted.jobs} jobs of the Python Bartender, ${adopted.unfinished} of them unfinished`;
  return `${made} (${applied.join(", ")})${taken}`;
}
