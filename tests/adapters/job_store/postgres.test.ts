import { afterAll, beforeAll } from "bun:test";
import { openJobStore, openStores } from "../../../adapters/job_store/build.ts";
import { adminStoreSuite } from "../../conformance/admin_store_suite.ts";
import { jobStoreSuite } from "../../conformance/job_store_suite.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres_server.ts";
import { recordingLogger } from "../../support/recording_logger.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

jobStoreSuite("PostgreSQL", async () => {
  const store = await openJobStore(
    { kind: "postgres", url: await server.createDatabase() },
    { logger: recordingLogger() },
  );
  return { store, [Symbol.asyncDispose]: () => store.close() };
});

adminStoreSuite("PostgreSQL", async () => {
  const database = { kind: "postgres", url: await server.createDatabase() } as const;
  const opened = await openStores(database, { logger: recordingLogger() });
  return { ...opened, [Symbol.asyncDispose]: () => opened.store.close() };
});
