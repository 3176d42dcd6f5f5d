/**
 * The daemon is killed with many unfinished jobs, some of them running, and started again: seconds until the first
 * answer over HTTP, until every job has its actor, and until the scheduler is watched for all that run and the queue
 * stands again. Beside it, the same with no job at all.
 *
 *     bun bench/restart.ts [jobs] [running]
 */
import process from "node:process";
import { zipSync } from "fflate";
import type { DaemonProcess } from "../tests/support/daemon_process.ts";
import { benchDaemon } from "./support/bench_daemon.ts";
import { httpLoad, submissionBytes } from "./support/http_load.ts";
import { report } from "./support/report.ts";
import { residentMb } from "./support/resident_memory.ts";

const jobs = Number(process.argv[2] ?? 10_000);
const running = Math.min(jobs - 1, Number(process.argv[3] ?? 100));

await using daemon = await benchDaemon({ slots: running, env: {} });
const empty = await restart(async () => {});
const input = { "input.txt": "\n" };
try {
  // One by one, so that it is known which jobs run and which is the last in the queue.
  for (let id = 1; id <= running; id++) await daemon.until(await daemon.submitOk("wait", input), "running");
  const request = submissionBytes("wait", await daemon.token(), zipSync({ "input.txt": new Uint8Array([10]) }));
  const port = Number(new URL(daemon.url).port);
  const requests = jobs - running - 1;
  await httpLoad({ port, connections: 8, requests, request: () => request, expected: 303 });
  await daemon.submitOk("wait", input);
  const full = await restart(() => queueStands(daemon));
  for (let id = 1; id <= running; id++) await daemon.until(id, "running");
  report("without jobs: first answer over HTTP", seconds(empty.answeredMs));
  report(`${jobs} unfinished jobs, ${running} of them running: first answer over HTTP`, seconds(full.answeredMs));
  report("until every job has its actor", seconds(full.recoveredMs));
  report("until the queue stands again", seconds(full.readyMs));
  report("memory after that", `${residentMb(daemon.pid).now.toFixed(0)} MB`);
} finally {
  await daemon.stop("SIGKILL");
  for (const pid of await commandPids()) process.kill(pid, "SIGKILL");
}

interface Restart {
  readonly answeredMs: number;
  readonly recoveredMs: number;
  readonly readyMs: number;
}

/** Kills the daemon and starts it again; times count from the start of the process. */
async function restart(ready: () => Promise<void>): Promise<Restart> {
  await daemon.stop("SIGKILL");
  const [startMs, startOnMs] = [performance.now(), Date.now()];
  await daemon.restart();
  const health = await daemon.call("GET", "/api/health");
  if (health.status !== 200) throw new Error(`GET health: ${health.status}`);
  const answeredMs = performance.now() - startMs;
  await ready();
  const readyMs = performance.now() - startMs;
  return { answeredMs, readyMs, recoveredMs: (await recoveredOnMs()) - startOnMs };
}

/** Waits until the newest job has its place behind all others. */
async function queueStands({ call }: DaemonProcess): Promise<void> {
  for (;;) {
    const job = (await (await call("GET", `/api/job/${jobs}`)).json()) as { readonly queue_position: number | null };
    if (job.queue_position === jobs - running) return;
    await Bun.sleep(20);
  }
}

async function recoveredOnMs(): Promise<number> {
  for (;;) {
    const line = /^.*Unfinished jobs have their actors again.*$/m.exec(daemon.log())?.[0];
    if (line !== undefined) return Date.parse((JSON.parse(line) as { readonly time: string }).time);
    await Bun.sleep(20);
  }
}

/** What the running commands have written. */
async function commandPids(): Promise<readonly number[]> {
  const files = Array.from({ length: jobs }, (_, index) =>
    Bun.file(`${daemon.directory}/jobs/${index + 1}/stdout.txt`),
  );
  const texts = await Promise.all(files.map(async (file) => ((await file.exists()) ? await file.text() : "")));
  return texts.filter((text) => text !== "").map(Number);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
