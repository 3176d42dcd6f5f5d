/**
 * How many submissions per second are on disk before their 303, with SQLite and with PostgreSQL, beside raw inserts into
 * SQLite with a flush each.
 *
 *     bun bench/submissions.ts [submissions]
 */
import { DatabaseSync } from "node:sqlite";
import { zipSync } from "fflate";
import { startPostgres } from "../tests/support/postgres_server.ts";
import { tempDir } from "../tests/support/temp_dir.ts";
import { benchDaemon, QUIET } from "./support/bench_daemon.ts";
import { httpLoad, submissionBytes } from "./support/http_load.ts";
import { perSecond, ratio, report } from "./support/report.ts";

const count = Number(process.argv[2] ?? 3000);

const rawInserts = (): number => {
  using dir = tempDir();
  const db = new DatabaseSync(`${dir.path}/raw.db`);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE job (id INTEGER PRIMARY KEY, name TEXT)");
  const insert = db.prepare("INSERT INTO job (name) VALUES (?)");
  const startMs = performance.now();
  for (let n = 0; n < count; n++) insert.run(`job ${n}`);
  const rate = count / ((performance.now() - startMs) / 1000);
  db.close();
  return rate;
};

const raw = rawInserts();
report("raw SQLite inserts, one flush each", perSecond(raw));
await using postgres = await startPostgres(["fsync=on"]);
const sqlite = await measure("SQLite", {});
report("ratio of 16 at a time to raw inserts", ratio(sqlite, raw));
const other = await measure("PostgreSQL", { BARTENDER_DB_URL: await postgres.createDatabase() });
report("ratio of PostgreSQL to SQLite, 16 at a time", ratio(other, sqlite));

/** @returns submissions per second, 16 at a time */
async function measure(store: string, database: Readonly<Record<string, string>>): Promise<number> {
  // The one slot is taken by the first job, so that only submissions are measured.
  await using daemon = await benchDaemon({ env: { ...QUIET, ...database } });
  const port = Number(new URL(daemon.url).port);
  const request = submissionBytes("wait", await daemon.token(), zipSync({ "input.txt": new Uint8Array([10]) }));
  const submit = (requests: number, connections: number) =>
    httpLoad({ port, connections, requests, request: () => request, expected: 303 });
  await submit(200, 8);
  const one = await submit(Math.ceil(count / 4), 1);
  const many = await submit(count, 16);
  report(
    `${store}: submissions, 16 at a time (${count})`,
    `${perSecond(many.perSecond)}, p99 ${many.p99Ms.toFixed(1)} ms`,
  );
  report(`${store}: one at a time`, `${perSecond(one.perSecond)}, p99 ${one.p99Ms.toFixed(1)} ms`);
  const first = await daemon.call("DELETE", "/api/job/1");
  if (first.status !== 204) throw new Error(`DELETE: ${first.status}`);
  return many.perSecond;
}
