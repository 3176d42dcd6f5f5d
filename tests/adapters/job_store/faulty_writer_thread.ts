/*
 * The thread that writes, with the faults that texts among the values name: none of them can be made to happen on demand
 * otherwise.
 *
 * "hold until <path> exists": as a flush does that takes long. "end before" and "end after" the commit.
 */
import { existsSync } from "node:fs";
import { SqliteWriter } from "../../../adapters/job_store/sqlite_writer.ts";
import "../../../adapters/job_store/writer_thread_main.ts";

const never = new Int32Array(new SharedArrayBuffer(4));
const run = SqliteWriter.prototype.run;

SqliteWriter.prototype.run = function (batch) {
  const values = batch.flatMap((statement) => statement.values);
  for (const value of values) {
    const path = /^hold until (.*) exists$/.exec(String(value))?.[1];
    while (path !== undefined && !existsSync(path)) Atomics.wait(never, 0, 0, 5);
    if (value === "end before") throw new Error("planted before the commit");
  }
  const answer = run.call(this, batch);
  if (values.includes("end after")) throw new Error("planted after the commit");
  return answer;
};
