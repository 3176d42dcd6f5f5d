/**
 * What others wait for while jobs are submitted and every flush of the disk takes long, as on a hard disk, a network
 * disk or beside a neighbour who writes much: `/api/health` and a job's state, and the submissions themselves.
 *
 *     bun bench/slow_disk.ts [ms a flush] [submissions]      needs cc
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { zipSync } from "fflate";
import { tempDir } from "../tests/support/temp_dir.ts";
import { benchDaemon, QUIET } from "./support/bench_daemon.ts";
import { probeHealth } from "./support/health_probe.ts";
import { httpLoad, submissionBytes } from "./support/http_load.ts";
import { perSecond, report } from "./support/report.ts";

const delayMs = Number(process.argv[2] ?? 50);
const count = Number(process.argv[3] ?? 100);

/** Takes the place of the flushes of the C library, by which SQLite flushes. */
const SLOW_FLUSH = `
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
static long slowly(long call, int fd) {
  struct timespec delay = { ${Math.floor(delayMs / 1000)}, ${(delayMs % 1000) * 1_000_000} };
  nanosleep(&delay, 0);
  return syscall(call, fd);
}
int fsync(int fd) { return slowly(SYS_fsync, fd); }
int fdatasync(int fd) { return slowly(SYS_fdatasync, fd); }
`;

using dir = tempDir();
const [source, library] = [`${dir.path}/slow_flush.c`, `${dir.path}/slow_flush.so`];
writeFileSync(source, SLOW_FLUSH);
const { status, stderr } = spawnSync("cc", ["-shared", "-fPIC", "-o", library, source], { encoding: "utf8" });
if (status !== 0) throw new Error(`cc: ${stderr}`);

await using daemon = await benchDaemon({ env: { ...QUIET, LD_PRELOAD: library } });
const port = Number(new URL(daemon.url).port);
const token = await daemon.token();
const request = submissionBytes("wait", token, zipSync({ "input.txt": new Uint8Array([10]) }));
const submit = (requests: number, connections: number) =>
  httpLoad({ port, connections, requests, request: () => request, expected: 303 });
await submit(20, 4);
for (const connections of [1, 16]) {
  const [load, health] = await probeHealth(port, () =>
    submit(connections === 1 ? Math.ceil(count / 4) : count, connections),
  );
  report(
    `submissions, ${connections} at a time, flushes of ${delayMs} ms`,
    `${perSecond(load.perSecond)}, p50 ${load.p50Ms.toFixed(0)} ms`,
  );
  const { p50Ms, p99Ms, maxMs } = health;
  report("/api/health meanwhile", `p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)}, longest ${maxMs.toFixed(1)} ms`);
}
await daemon.call("DELETE", "/api/job/1");
