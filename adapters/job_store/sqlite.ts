import { accessSync, closeSync, constants, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { BartenderError, messageOf, StoreUnavailableError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { adminQueries } from "./admin_queries.ts";
import { jobQueries } from "./job_queries.ts";
import { migrate } from "./migrate.ts";
import type { OpenedJobStore } from "./opened.ts";
import { SqlAdminStore } from "./sql_admin_store.ts";
import { SqlJobStore } from "./sql_job_store.ts";
import { NodeSqliteDialect } from "./sqlite_dialect.ts";
import { describeSqliteError, faultError, isBusy } from "./sqlite_errors.ts";
import { configureSqlite } from "./sqlite_pragmas.ts";
import { LOCK_RETRY_MS, LOCK_TIMEOUT_MS, SqliteSession } from "./sqlite_session.ts";
import { type BatchWriter, writerInPlace } from "./sqlite_writer.ts";
import type { Tables } from "./tables.ts";
import { WriterThread } from "./writer_thread.ts";

const IN_MEMORY = ":memory:";

export interface SqliteOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** See {@link migrate}. */
  readonly mustBeCurrent: boolean;
  /** Writes by a {@link WriterThread}; not in memory, where there is nothing to wait for. */
  readonly hasWriterThread: boolean;
}

/**
 * Opens the job store in one file, made for its owner only when it is missing, and brings it up to date.
 *
 * SQLite keeps `<path>-wal` and `<path>-shm` beside it while it is open. The file must be on a local disk.
 *
 * @param path relative ones start from the working directory; `:memory:` keeps nothing beyond `close()`
 * @throws {BartenderError} when the directory is missing, the file cannot be written, is no SQLite database, holds
 *   another program's tables or was made by a newer version
 * @throws {StoreUnavailableError} when another process keeps the file locked
 */
export async function openSqliteJobStore(path: string, options: SqliteOptions): Promise<OpenedJobStore> {
  const { clock, logger, mustBeCurrent } = options;
  if (mustBeCurrent && kindOf(path) === "nothing") throw pathError(path, "there is no such database yet");
  const absolute = path === IN_MEMORY ? path : preparedFile(path);
  if (path === IN_MEMORY) logger.warn("Jobs are kept in memory only and are forgotten when the service stops");
  const sinceMs = clock.monotonicMs();
  for (;;) {
    try {
      return await openOnce(absolute, options);
    } catch (error) {
      if (!isBusy(error)) throw openError(absolute, error);
      if (clock.monotonicMs() - sinceMs >= LOCK_TIMEOUT_MS) {
        throw new StoreUnavailableError(`Database "${absolute}": ${describeSqliteError(error)}`, error);
      }
      await new Promise<void>((retry) => clock.after(LOCK_RETRY_MS, retry));
    }
  }
}

async function openOnce(path: string, options: SqliteOptions): Promise<OpenedJobStore> {
  const { clock, logger } = options;
  const database = new DatabaseSync(path);
  try {
    configureSqlite(database);
    const db = new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) });
    const report = await migrate(db, "sqlite", options.mustBeCurrent);
    const { instanceId } = report;
    const isAside = options.hasWriterThread && path !== IN_MEMORY;
    const session = new SqliteSession(
      database,
      isAside ? await startedThread(path, database, logger) : writerInPlace(database),
      clock,
    );
    return {
      store: new SqlJobStore({ session, queries: jobQueries(db), instanceId, logger, clock }),
      admin: new SqlAdminStore(session, adminQueries(db), logger),
      report,
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** @throws when the thread cannot write, so that this is found out now and not by the first user */
async function startedThread(path: string, database: DatabaseSync, logger: Logger): Promise<BatchWriter> {
  const thread = new WriterThread(path, logger);
  const answer = await thread.run([]);
  if (answer.type !== "committed") {
    await thread.close();
    throw faultError(answer.fault);
  }
  // From now on its changes are the only ones.
  database.prepare("pragma query_only = on").all();
  return thread;
}

/** @returns the absolute path of a file that exists and may be written */
function preparedFile(path: string): string {
  if (path === "") throw pathError(path, "expected the path of a file");
  const absolute = resolve(path);
  try {
    const directory = dirname(absolute);
    if (kindOf(directory) !== "directory") throw pathError(absolute, `the directory "${directory}" does not exist`);
    switch (kindOf(absolute)) {
      case "directory":
        throw pathError(absolute, "expected a file, got a directory");
      case "nothing":
        // SQLite would make the file readable for all; its companion files get the mode of this one.
        closeSync(openSync(absolute, "a", 0o600));
        return absolute;
      case "file":
        // Not opened to find out: closing it again would drop the locks of another connection of this process.
        accessSync(absolute, constants.R_OK | constants.W_OK);
        return absolute;
    }
  } catch (error) {
    if (error instanceof BartenderError) throw error;
    throw pathError(absolute, `the file cannot be written: ${messageOf(error)}`, error);
  }
}

function kindOf(path: string): "directory" | "file" | "nothing" {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return "nothing";
  return stats.isDirectory() ? "directory" : "file";
}

function pathError(path: string, text: string, cause?: unknown): BartenderError {
  return new BartenderError("store_path", `Database "${path}": ${text}`, { cause });
}

function openError(path: string, error: unknown): BartenderError {
  const code = error instanceof BartenderError ? error.code : "store_unusable";
  return new BartenderError(code, `Database "${path}": ${describeSqliteError(error) ?? messageOf(error)}`, {
    cause: error,
  });
}
