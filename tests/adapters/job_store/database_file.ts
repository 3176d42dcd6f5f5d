import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openJobStore } from "../../../adapters/job_store/build.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

/** A place for a database, a way to open a store in it, and one to look into the file beside it. */
export function databaseFile() {
  const directory = tempDir();
  const path = join(directory.path, "jobs.db");
  const logger = recordingLogger();
  const open = async (at = path) => {
    const store = await openJobStore({ kind: "sqlite", path: at }, { logger });
    return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
  };
  return {
    ...{ directory: directory.path, path, logger, open },
    /** Runs SQL on the file, as an administrator might. */
    sql(text: string, at = path) {
      const database = new DatabaseSync(at);
      try {
        return database.prepare(text).all();
      } finally {
        database.close();
      }
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}
