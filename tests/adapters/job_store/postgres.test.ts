import { afterAll, beforeAll } from "bun:test";
import { openStores } from "../../../adapters/job_store/build.ts";
import { adminStoreSuite } from "../../conformance/admin_store_suite.ts";
import { jobStoreSuite } from "../../conformance/job_store_suite.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres_server.ts";
import { recordingLogger } from "../../support/recording_logger.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

let schemas = 0;

/** In a schema of its own, which takes a fraction of the time of a database. */
async function open() {
  const schema = `test_${++schemas}`;
  const base = server.url("postgres");
  await server.sql(base, `create schema ${schema}`);
  const url = server.url("postgres", `?search_path=${schema}`);
  const opened = await openStores({ kind: "postgres", url }, { logger: recordingLogger() });
  return {
    ...opened,
    async [Symbol.asyncDispose]() {
      await opened.store.close();
      await server.sql(base, "set client_min_messages to warning", `drop schema ${schema} cascade`);
    },
  };
}

jobStoreSuite("PostgreSQL", open);
adminStoreSuite("PostgreSQL", open);
