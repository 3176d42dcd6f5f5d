/**
 * How fast a large file of a job is sent, beside a bare route that answers with the file; one client and four.
 *
 *     bun bench/downloads.ts [MB]
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { benchDaemon, finishedJob } from "./support/bench_daemon.ts";
import { probeHealth } from "./support/health_probe.ts";
import { download } from "./support/measured_download.ts";
import { ratio, report } from "./support/report.ts";
import { forgetPeak, residentMb } from "./support/resident_memory.ts";

const megabytes = Number(process.argv[2] ?? 1_000);
/** Downloads of each client, one after the other. */
const ROUNDS = 5;

if (process.env.BENCH_ROLE === "bare") {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) =>
      url.endsWith("/api/health") ? Response.json(null) : new Response(Bun.file(process.env.BENCH_FILE ?? "")),
  });
  console.log(server.port);
} else {
  await using daemon = await benchDaemon();
  const id = await finishedJob(daemon);
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
    const downloads = async (): Promise<number> => {
      let bytes = 0;
      for (let n = 0; n < ROUNDS; n++) bytes += (await download(from, token)).bytes;
      return bytes;
    };
    const received = await Promise.all(Array.from({ length: clients }, downloads));
    const bytes = received.reduce((sum, one) => sum + one, 0);
    if (bytes !== clients * ROUNDS * megabytes * 1_000_000) throw new Error(`${bytes} bytes came`);
    return bytes / 1e6 / ((performance.now() - startMs) / 1000);
  };
  await measure(bareUrl, 1);
  await measure(url, 1);
  for (const clients of [1, 4]) {
    const before = residentMb(daemon.pid).now;
    forgetPeak(daemon.pid);
    const [ours, health] = await probeHealth(Number(new URL(daemon.url).port), () => measure(url, clients));
    const extra = residentMb(daemon.pid).peak - before;
    const barePort = Number(new URL(bareUrl).port);
    const [reference, bareHealth] = await probeHealth(barePort, () => measure(bareUrl, clients));
    report(`${megabytes} MB to ${clients} at a time`, `${ours.toFixed(0)} MB/s, ${extra.toFixed(0)} MB more memory`);
    report("/api/health meanwhile", `p50 ${health.p50Ms.toFixed(1)} ms, p99 ${health.p99Ms.toFixed(1)} ms`);
    report("bare route with the file", `${reference.toFixed(0)} MB/s`);
    report(
      "a route beside it that does nothing",
      `p50 ${bareHealth.p50Ms.toFixed(1)} ms, p99 ${bareHealth.p99Ms.toFixed(1)} ms`,
    );
    report("ratio", ratio(ours, reference));
  }
  bare.kill();
}
