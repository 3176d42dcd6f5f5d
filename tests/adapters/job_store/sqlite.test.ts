import { join } from "node:path";
import { openJobStore, openStores } from "../../../adapters/job_store/build.ts";
import { adminStoreSuite } from "../../conformance/admin_store_suite.ts";
import { jobStoreSuite } from "../../conformance/job_store_suite.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

jobStoreSuite("SQLite, written by a thread", async () => {
  const directory = tempDir();
  const path = join(directory.path, "jobs.db");
  const store = await openJobStore({ kind: "sqlite", path }, { logger: recordingLogger(), hasWriterThread: true });
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      directory[Symbol.dispose]();
    },
  };
});

jobStoreSuite("SQLite in memory", async () => {
  const store = await openJobStore({ kind: "sqlite", path: ":memory:" }, { logger: recordingLogger() });
  return { store, [Symbol.asyncDispose]: () => store.close() };
});

adminStoreSuite("SQLite", async () => {
  const opened = await openStores({ kind: "sqlite", path: ":memory:" }, { logger: recordingLogger() });
  return { ...opened, [Symbol.asyncDispose]: () => opened.store.close() };
});
