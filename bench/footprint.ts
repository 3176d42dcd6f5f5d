/**
 * Time to start and memory of the daemon, idle and with many waiting jobs, and how long the list takes then.
 *
 *     bun bench/footprint.ts [jobs]
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { zipSync } from "fflate";
import { builtProgram } from "../tests/support/built_program.ts";
import { benchDaemon } from "./support/bench_daemon.ts";
import { httpLoad, requestBytes, submissionBytes } from "./support/http_load.ts";
import { report } from "./support/report.ts";

const jobs = Number(process.argv[2] ?? 10_000);

const residentMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
/** Memory that a collection would free is no footprint; an idle while gives it the chance to run. */
const settled = async (pid: number): Promise<number> => {
  await Bun.sleep(5_000);
  return residentMb(pid);
};

// What tests and benchmarks run is made when it is first asked for.
builtProgram(resolve(import.meta.dir, "../src/main.ts"));
const startMs = performance.now();
await using daemon = await benchDaemon({ env: {} });
const startedMs = performance.now() - startMs;
const idle = await settled(daemon.pid);
const port = Number(new URL(daemon.url).port);
const token = await daemon.token();
const request = submissionBytes("wait", token, zipSync({ "input.txt": new Uint8Array([10]) }));
await httpLoad({ port, connections: 8, requests: jobs, request: () => request, expected: 303 });
const loaded = await settled(daemon.pid);
const askForList = (requests: number) =>
  httpLoad({
    port,
    connections: 1,
    requests,
    request: () => requestBytes("GET /api/job/?limit=100 HTTP/1.1", { Authorization: `Bearer ${token}` }),
    expected: 200,
  });
// The first ones are slower while the code is compiled and what the submissions left is collected.
await askForList(100);
const list = await askForList(1000);

const restartMs = performance.now();
await daemon.restart();
const backMs = performance.now() - restartMs;
const recovered = await settled(daemon.pid);

report("start until the port answers", `${(startedMs / 1000).toFixed(2)} s`);
report("idle memory", `${idle.toFixed(0)} MB`);
report(
  `memory with ${jobs} waiting jobs`,
  `${loaded.toFixed(0)} MB, ${(((loaded - idle) * 1024) / jobs).toFixed(1)} kB a job`,
);
report(
  `memory after a restart with ${jobs} waiting jobs`,
  `${recovered.toFixed(0)} MB, ${(((recovered - idle) * 1024) / jobs).toFixed(1)} kB a job`,
);
report("stop and start with them", `${(backMs / 1000).toFixed(2)} s`);
report("list of 100 jobs meanwhile", `p50 ${list.p50Ms.toFixed(1)} ms, p99 ${list.p99Ms.toFixed(1)} ms`);
await daemon.call("DELETE", "/api/job/1");
