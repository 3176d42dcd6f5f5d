/* What the thread of a `WriterThread` runs: it answers each batch that it is sent with what became of it. */
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { faultOf } from "./sqlite_errors.ts";
import { configureSqlite } from "./sqlite_pragmas.ts";
import { type BatchAnswer, SqliteWriter, type WriteStatement } from "./sqlite_writer.ts";
import { identityOf, type WriterThreadData, type WriterThreadMessage } from "./writer_thread_messages.ts";

const { path, identity } = workerData as WriterThreadData;
let opened: { readonly database: DatabaseSync; readonly writer: SqliteWriter } | undefined;

parentPort?.on("message", (message: WriterThreadMessage) => {
  if (message === "close") {
    opened?.database.close();
    // Ends this thread only.
    process.exit(0);
  }
  parentPort?.postMessage(run(message));
});

function run(batch: readonly WriteStatement[]): BatchAnswer {
  try {
    opened ??= open();
  } catch (error) {
    return { type: "not_begun", fault: faultOf(error) };
  }
  return opened.writer.run(batch);
}

function open() {
  // Somebody may have put another file there; jobs that are read from one must not be written to the other.
  if (identityOf(path) !== identity) throw new Error(`the file "${path}" is not the one that was opened any more`);
  const database = new DatabaseSync(path);
  try {
    configureSqlite(database);
    return { database, writer: new SqliteWriter(database) };
  } catch (error) {
    database.close();
    throw error;
  }
}
