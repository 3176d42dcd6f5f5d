import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { DatabaseConfig } from "../../../src/config/database_url.ts";
import type { PostgresServer } from "../../support/postgres_server.ts";
import { tempDir } from "../../support/temp_dir.ts";

/** A database as an administrator sees it. */
export interface LegacyDatabase extends AsyncDisposable {
  readonly database: DatabaseConfig;
  /** Runs statements. @returns the rows of the last */
  sql(...statements: readonly string[]): Promise<readonly Record<string, unknown>[]>;
}

/** The tables of the Python Bartender 0.5 as its migrations leave them behind, without jobs. */
const TABLES = (id: string, time: string) => [
  "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
  "INSERT INTO alembic_version (version_num) VALUES ('c9e7b3a1d2f4')",
  `CREATE TABLE job (
     id ${id} NOT NULL,
     name VARCHAR(200) NOT NULL,
     application VARCHAR(200) NOT NULL,
     state VARCHAR(20) NOT NULL,
     submitter VARCHAR(254) NOT NULL,
     internal_id VARCHAR(200),
     destination VARCHAR(200),
     created_on ${time} NOT NULL,
     updated_on ${time} NOT NULL,
     PRIMARY KEY (id)
   )`,
];

export async function pythonPostgres(server: PostgresServer): Promise<LegacyDatabase> {
  const url = await server.createDatabase();
  const sql: LegacyDatabase["sql"] = (...statements) => server.sql(url, ...statements);
  await sql(...TABLES("SERIAL", "TIMESTAMP WITH TIME ZONE"));
  return { database: { kind: "postgres", url }, sql, [Symbol.asyncDispose]: async () => {} };
}

export async function pythonSqlite(): Promise<LegacyDatabase> {
  const directory = tempDir();
  const path = join(directory.path, "jobs.db");
  const sql: LegacyDatabase["sql"] = async (...statements) => {
    const database = new DatabaseSync(path);
    try {
      let rows: Record<string, unknown>[] = [];
      for (const statement of statements) rows = database.prepare(statement).all();
      return rows;
    } finally {
      database.close();
    }
  };
  await sql(...TABLES("INTEGER", "DATETIME"));
  return { database: { kind: "sqlite", path }, sql, [Symbol.asyncDispose]: async () => directory[Symbol.dispose]() };
}

/** A row of the Python Bartender; `text` is put between quotes. */
export function pythonJob(fields: {
  readonly id: number;
  readonly state: string;
  readonly internalId?: string;
  readonly destination?: string;
  readonly name?: string;
}): string {
  const text = (value: string | undefined) => (value === undefined ? "NULL" : `'${value.replaceAll("'", "''")}'`);
  return `INSERT INTO job (id, name, application, state, submitter, internal_id, destination, created_on, updated_on)
    VALUES (${fields.id}, ${text(fields.name ?? "input.zip")}, 'wc', ${text(fields.state)}, 'someone',
      ${text(fields.internalId)}, ${text(fields.destination)},
      '2023-04-05 06:07:08.123456', '2023-04-05 06:07:09.000000')`;
}
