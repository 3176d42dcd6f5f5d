/**
 * How fast a large file of a job is sent, beside a bare route that answers with the file; one client and four.
 *
 *     bun bench/downloads.ts [MB]
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { startDaemon } from "../tests/support/daemon_process.ts";
import { probeHealth } from "./support/health_probe.ts";
import { download } from "./support/measured_download.ts";
import { ratio, report } from "./support/report.ts";
import { forgetPeak, residentMb } from "./support/resident_memory.ts";

const megabytes = Number(process.argv[2] ?? 1_000);

if (process.env.BENCH_ROLE === "bare") {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response(Bun.file(process.env.BENCH_FILE ?? "")),
  });
  console.log(server.port);
} else {
  await using daemon = await startDaemon({
    config: `job_root_dir: jobs
applications:
  noop: {command_template: "true"}
`,
    env: { BARTENDER_LOG_LEVEL: "warning" },
  });
  const id = await daemon.submitOk("noop", { "input.txt": "\n" });
  await daemon.until(id, "ok");
  const token = await daemon.token();
  const file = `${daemon.directory}/jobs/${id}/large.dat`;
  const fd = openSync(file, "w");
  const block = Buffer.alloc(1_000_000, "some bytes ");
  for (let n = 0; n < megabytes; n++) writeSync(fd, block);
  closeSync(fd);

  const env = { ...process.env, BENCH_ROLE: "bare", BENCH_FILE: file };
  const bare = Bun.spawn([process.execPath, import.meta.path], { env });
  const { value } = await bare.stdout.getReader().read();
  const bareUrl = `http://127.0.0.1:${Number(new TextDecoder().decode(value))}/`;
  const url = `${daemon.url}/api/job/${id}/files/large.dat`;

  const measure = async (from: string, clients: number): Promise<number> => {
    const startMs = performance.now();
    const transfers = await Promise.all(Array.from({ length: clients }, () => download(from, token)));
    const bytes = transfers.reduce((sum, transfer) => sum + transfer.bytes, 0);
    if (bytes !== clients * megabytes * 1_000_000) throw new Error(`${bytes} bytes came`);
    return bytes / 1e6 / ((performance.now() - startMs) / 1000);
  };
  await measure(bareUrl, 1);
  await measure(url, 1);
  for (const clients of [1, 4]) {
    const before = residentMb(daemon.pid).now;
    forgetPeak(daemon.pid);
    const [ours, health] = await probeHealth(Number(new URL(daemon.url).port), () => measure(url, clients));
    const extra = residentMb(daemon.pid).peak - before;
    const reference = await measure(bareUrl, clients);
    report(`${megabytes} MB to ${clients} at a time`, `${ours.toFixed(0)} MB/s, ${extra.toFixed(0)} MB more memory`);
    report("/api/health meanwhile", `p50 ${health.p50Ms.toFixed(1)} ms, p99 ${health.p99Ms.toFixed(1)} ms`);
    report("bare route with the file", `${reference.toFixed(0)} MB/s`);
    report("ratio", ratio(ours, reference));
  }
  bare.kill();
}
