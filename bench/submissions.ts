/**
 * How many submissions per second are on disk before their 303, beside raw inserts into SQLite with a flush each.
 *
 *     bun bench/submissions.ts [submissions]
 */
import { DatabaseSync } from "node:sqlite";
import { zipSync } from "fflate";
import { startDaemon } from "../tests/support/daemon_process.ts";
import { tempDir } from "../tests/support/temp_dir.ts";
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

// The one slot is taken by the first job, so that only submissions are measured.
await using daemon = await startDaemon({
  config: `job_root_dir: jobs
applications:
  wait: {command_template: exec sleep 600}
destinations:
  local: {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}
`,
  env: { BARTENDER_LOG_LEVEL: "warning" },
});
const port = Number(new URL(daemon.url).port);
const request = submissionBytes("wait", await daemon.token(), zipSync({ "input.txt": new Uint8Array([10]) }));
const submit = (requests: number, connections: number) =>
  httpLoad({ port, connections, requests, request: () => request, expected: 303 });

await submit(200, 8);
const raw = rawInserts();
const one = await submit(Math.ceil(count / 4), 1);
const many = await submit(count, 16);
report(`submissions, 16 at a time (${count})`, `${perSecond(many.perSecond)}, p99 ${many.p99Ms.toFixed(1)} ms`);
report("submissions, one at a time", `${perSecond(one.perSecond)}, p99 ${one.p99Ms.toFixed(1)} ms`);
report("raw SQLite inserts, one flush each", perSecond(raw));
report("ratio of 16 at a time", ratio(many.perSecond, raw));
const first = await daemon.call("DELETE", "/api/job/1");
if (first.status !== 204) throw new Error(`DELETE: ${first.status}`);
