import {
  type Dialect,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from "kysely";
import { PostgresJSDialect } from "kysely-postgres-js";
import { type DatabaseConfig, describeDatabase } from "../../src/config/database_url.ts";
import { BartenderError, StoreUnavailableError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { PostgresConnection } from "../postgres/connection.ts";
import { postgresOpenError } from "../postgres/errors.ts";
import { PostgresPool } from "../postgres/pool.ts";
import { type PostgresSettings, readPostgresUrl } from "../postgres/settings.ts";
import { adminQueries } from "./admin_queries.ts";
import { jobQueries } from "./job_queries.ts";
import { type MigrationReport, migrate } from "./migrate.ts";
import type { OpenedJobStore } from "./opened.ts";
import { PostgresSession } from "./postgres_session.ts";
import { SqlAdminStore } from "./sql_admin_store.ts";
import { SqlJobStore } from "./sql_job_store.ts";
import type { Tables } from "./tables.ts";

const MIN_VERSION = 15;

/** Milliseconds that the server gives a statement, and how long we wait for a server that does not even do that. */
const STATEMENT_TIMEOUT_MS = 5_000;
const ANSWER_LIMIT_MS = 7_000;

export interface PostgresStoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** See {@link migrate}. */
  readonly mustBeCurrent: boolean;
  /** False while another process may have the right to write. */
  readonly mayWrite: () => boolean;
}

/**
 * Opens the job store in a PostgreSQL database, and brings it up to date.
 *
 * @throws {BartenderError} when the server refuses the login or is too old, or the database is missing, holds another
 *   program's tables or was made by a newer version
 * @throws {StoreUnavailableError} when the server cannot be reached
 */
export async function openPostgresJobStore(
  database: DatabaseConfig & { readonly kind: "postgres" },
  { clock, logger, mustBeCurrent, mayWrite }: PostgresStoreOptions,
): Promise<OpenedJobStore> {
  try {
    const settings = readPostgresUrl(database.url);
    const pool = new PostgresPool({
      connect: () => new PostgresConnection({ settings, statementTimeoutMs: STATEMENT_TIMEOUT_MS }),
      size: settings.poolSize,
      answerLimitMs: ANSWER_LIMIT_MS,
      clock,
    });
    try {
      await checkVersion(pool);
      const report = await migrateOn(settings, clock, mustBeCurrent);
      const session = new PostgresSession(pool, mayWrite);
      const { instanceId } = report;
      return {
        store: new SqlJobStore({ session, queries: jobQueries(compiler()), instanceId, logger, clock }),
        admin: new SqlAdminStore(session, adminQueries(compiler()), logger),
        report,
      };
    } catch (error) {
      await pool.close();
      throw error;
    }
  } catch (error) {
    throw postgresOpenError(describeDatabase(database), error);
  }
}

async function checkVersion(pool: PostgresPool): Promise<void> {
  const [row] = await pool.run("select current_setting('server_version') as version", []);
  refuseOldServer(String(row?.version));
}

/** @throws {BartenderError} when a server of this version lacks what the store needs */
export function refuseOldServer(version: string): void {
  if (Number.parseInt(version, 10) >= MIN_VERSION) return;
  throw new BartenderError("store_old", `PostgreSQL ${MIN_VERSION} or newer is needed, the server is ${version}`);
}

/** On a connection of its own, as it may take long and needs a transaction. */
async function migrateOn(settings: PostgresSettings, clock: Clock, mustBeCurrent: boolean): Promise<MigrationReport> {
  const made: PostgresConnection[] = [];
  const connect = (): PostgresConnection => {
    const connection = new PostgresConnection({ settings, statementTimeoutMs: 0 });
    made.push(connection);
    return connection;
  };
  const pool = new PostgresPool({ connect, size: 1, answerLimitMs: ANSWER_LIMIT_MS, clock });
  try {
    // The pool waits for a server without room; and postgres.js reserves only what is connected already.
    await pool.run("select 1", []);
    const connected = made.find((connection) => connection.isOpen);
    if (connected === undefined) throw new StoreUnavailableError("the connection to the database was lost");
    const dialect = new PostgresJSDialect({ postgres: connected.sql });
    return await migrate(new Kysely<Tables>({ dialect }), "postgres", mustBeCurrent);
  } finally {
    await pool.close();
  }
}

/** Builds queries and runs none. */
function compiler(): Kysely<Tables> {
  const dialect: Dialect = {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
  return new Kysely<Tables>({ dialect });
}
