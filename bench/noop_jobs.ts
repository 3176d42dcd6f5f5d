/**
 * How many no-op jobs per second go through the whole service (HTTP in, return code out), beside what the machine can
 * spawn at all.
 *
 *     bun bench/noop_jobs.ts [jobs]
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zipSync } from "fflate";
import { benchDaemon } from "./support/bench_daemon.ts";
import { httpLoad, submissionBytes } from "./support/http_load.ts";
import { perSecond, ratio, report } from "./support/report.ts";

const jobs = Number(process.argv[2] ?? 2000);
const slots = 4;

const spawnRate = (): number => {
  const startMs = performance.now();
  spawnSync("sh", ["-c", `seq ${jobs} | xargs -P ${slots} -n 1 true`]);
  return jobs / ((performance.now() - startMs) / 1000);
};

await using daemon = await benchDaemon({ slots });
const port = Number(new URL(daemon.url).port);
const request = submissionBytes("noop", await daemon.token(), zipSync({ "input.txt": new Uint8Array([10]) }));

const run = async (count: number): Promise<number> => {
  const ids: number[] = [];
  const startMs = performance.now();
  await httpLoad({
    port,
    connections: 16,
    requests: count,
    request: () => request,
    expected: 303,
    onAnswer: (head) => ids.push(Number(/^location: .*\/(\d+)\r?$/im.exec(head)?.[1])),
  });
  // Jobs of one submitter are served in order, so the newest few are the last to end.
  for (const id of ids.slice(-2 * slots)) await daemon.until(id, "ok");
  const seconds = (performance.now() - startMs) / 1000;
  for (const id of ids) {
    const returnCode = readFileSync(join(daemon.directory, "jobs", String(id), "returncode"), "utf8");
    if (returnCode !== "0") throw new Error(`Job ${id} left return code "${returnCode}"`);
  }
  return count / seconds;
};

await run(200);
const before = spawnRate();
const through = await run(jobs);
const after = spawnRate();
const machine = (before + after) / 2;
report(`no-op jobs through the service (${jobs} jobs, ${slots} slots)`, perSecond(through));
report(`the machine's own spawn rate (xargs -P ${slots})`, perSecond(machine));
report("ratio", ratio(through, machine));
