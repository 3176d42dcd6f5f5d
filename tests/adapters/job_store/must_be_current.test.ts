import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { openJobStore } from "../../../adapters/job_store/build.ts";
import type { DatabaseConfig } from "../../../src/config/database_url.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres_server.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { databaseFile } from "./database_file.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const open = (database: DatabaseConfig, mustBeCurrent: boolean) =>
  openJobStore(database, { logger: recordingLogger(), mustBeCurrent });

interface World extends AsyncDisposable {
  readonly database: DatabaseConfig;
  sql(text: string): Promise<unknown>;
}

const WORLDS: Readonly<Record<string, () => Promise<World>>> = {
  async SQLite() {
    const file = databaseFile();
    return {
      database: { kind: "sqlite", path: file.path },
      sql: async (text) => file.sql(text),
      [Symbol.asyncDispose]: async () => file[Symbol.dispose](),
    };
  },
  async PostgreSQL() {
    const url = await server.createDatabase();
    return {
      database: { kind: "postgres", url },
      sql: (text) => server.sql(url, text),
      async [Symbol.asyncDispose]() {},
    };
  },
};

for (const [name, make] of Object.entries(WORLDS)) {
  describe(`a database in ${name} that must be current`, () => {
    test("is opened when it is, and has the same name", async () => {
      await using world = await make();
      const store = await open(world.database, false);
      await store.close();
      const again = await open(world.database, true);
      expect(again.instanceId).toBe(store.instanceId);
      await again.close();
    });

    test("is refused when it is empty, and stays empty", async () => {
      await using world = await make();
      await world.sql("select 1");
      await expect(open(world.database, true)).rejects.toThrow("the database is not up to date");
      await expect(open(world.database, true)).rejects.toThrow("the database is not up to date");
    });

    test("is refused when a change is missing, which is not made", async () => {
      await using world = await make();
      await (await open(world.database, false)).close();
      await world.sql("drop index job_finished");
      await world.sql("delete from bartender_migration where name = '0005_console'");
      await expect(open(world.database, true)).rejects.toThrow("the database is not up to date");
      // Refuses to make what is there: so it was not made before.
      await world.sql("create index job_finished on job (application)");
    });
  });
}

test("a database file that is missing is not made", async () => {
  using file = databaseFile();
  await expect(open({ kind: "sqlite", path: file.path }, true)).rejects.toThrow("there is no such database yet");
  expect(existsSync(file.path)).toBe(false);
});
