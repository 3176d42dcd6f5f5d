/**
 * How long a list, a look at a job and a submission take with very many finished jobs in the database, and how much
 * memory the daemon has then, beside an empty database.
 *
 *     bun bench/million.ts [jobs]
 */
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { zipSync } from "fflate";
import type { DaemonProcess } from "../tests/support/daemon_process.ts";
import { benchDaemon } from "./support/bench_daemon.ts";
import { httpLoad, type LoadResult, requestBytes, submissionBytes } from "./support/http_load.ts";
import { ratio, report } from "./support/report.ts";
import { residentMb } from "./support/resident_memory.ts";

const jobs = Number(process.argv[2] ?? 1_000_000);
/** Jobs of the user who asks, the newest and with many of others in between. */
const OWN_SHARE = 10;
const REQUESTS = 2_000;
const SUBMISSIONS = 1_000;

interface Figures {
  readonly startS: number;
  readonly list: LoadResult;
  readonly get: LoadResult;
  readonly submit: LoadResult;
  readonly memoryMb: number;
}

const empty = await measure(0);
const full = await measure(jobs);
report("start, empty database", `${empty.startS.toFixed(2)} s`);
report(`start, ${jobs} finished jobs`, `${full.startS.toFixed(2)} s`);
for (const what of ["list", "get", "submit"] as const) {
  const [reference, figure] = [empty[what], full[what]];
  report(`${what}, empty database`, `p50 ${reference.p50Ms.toFixed(2)} ms, p99 ${reference.p99Ms.toFixed(2)} ms`);
  report(`${what}, ${jobs} finished jobs`, `p50 ${figure.p50Ms.toFixed(2)} ms, p99 ${figure.p99Ms.toFixed(2)} ms`);
  report("ratio of p50", ratio(figure.p50Ms, reference.p50Ms));
}
report("memory, empty database", `${empty.memoryMb.toFixed(0)} MB`);
report(`memory, ${jobs} finished jobs`, `${full.memoryMb.toFixed(0)} MB`);
report("ratio", ratio(full.memoryMb, empty.memoryMb));

async function measure(count: number): Promise<Figures> {
  // The one slot is taken by the first submission, so that no other command runs.
  await using daemon = await benchDaemon();
  const token = await daemon.token();
  const first = await daemon.submitOk("wait", { "input.txt": "\n" });
  await daemon.until(first, "running");
  try {
    return await measureOn(daemon, token, count);
  } finally {
    await daemon.stop("SIGKILL");
    process.kill(Number(await Bun.file(`${daemon.directory}/jobs/${first}/stdout.txt`).text()), "SIGKILL");
  }
}

async function measureOn(daemon: DaemonProcess, token: string, count: number): Promise<Figures> {
  await daemon.stop();
  fill(`${daemon.directory}/bartender.db`, count);
  const startMs = performance.now();
  await daemon.restart();
  const startS = (performance.now() - startMs) / 1000;
  const port = Number(new URL(daemon.url).port);
  const headers = { Authorization: `Bearer ${token}` };
  const load = (requests: number, expected: number, request: (n: number) => Uint8Array) =>
    httpLoad({ port, connections: 1, requests, request, expected });
  const submission = submissionBytes("wait", token, zipSync({ "input.txt": new Uint8Array([10]) }));
  const list = requestBytes("GET /api/job/?limit=10 HTTP/1.1", headers);
  // The daemons must be equally warm, and both have something to list.
  const get = (n: number) => requestBytes(`GET /api/job/${ownJob(n, count)} HTTP/1.1`, headers);
  await load(100, 303, () => submission);
  await load(200, 200, () => list);
  await load(200, 200, get);
  const figures = {
    list: await load(REQUESTS, 200, () => list),
    get: await load(REQUESTS, 200, get),
    submit: await load(SUBMISSIONS, 303, () => submission),
  };
  // A collection may free what is no footprint.
  await Bun.sleep(5_000);
  const memoryMb = residentMb(daemon.pid).now;
  return { ...figures, startS, memoryMb };
}

/** Number of some job of the user, all over the table. */
function ownJob(n: number, count: number): number {
  const own = Math.floor(count / OWN_SHARE);
  return own === 0 ? 1 : 1 + OWN_SHARE * (1 + ((n * 7919) % own));
}

/** Jobs 2 to `count` + 1, every tenth of them of the user. */
function fill(path: string, count: number): void {
  if (count === 0) return;
  const database = new DatabaseSync(path);
  const progress = JSON.stringify({
    phase: "finished",
    placement: { destination: "local", isStaged: false },
    schedulerJobId: "bartender-1",
    outcome: { isOk: true, returnCode: 0, reason: null },
  });
  const now = new Date().toISOString();
  database
    .prepare(`
      insert into job (id, name, application, state, submitter, destination, created_on, updated_on, saved_on, started_on,
        finished_on, phase, progress)
      with recursive n (i) as (select 1 union all select i + 1 from n where i < ?)
      select i + 1, 'input.zip', 'wait', 'ok', iif(i % ? = 0, 'alice', 'user ' || (i % 997)), 'local', ?, ?, ?, ?, ?,
        'finished', ? from n`)
    .run(count, OWN_SHARE, now, now, now, now, now, progress);
  database.close();
}
