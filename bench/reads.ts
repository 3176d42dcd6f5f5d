/**
 * How many times per second a job's state can be asked for with a token, beside a bare Hono route that answers JSON.
 *
 *     bun bench/reads.ts [requests]
 */
import { Hono } from "hono";
import { benchDaemon, finishedJob } from "./support/bench_daemon.ts";
import { httpLoad, requestBytes } from "./support/http_load.ts";
import { perSecond, ratio, report } from "./support/report.ts";

const requests = Number(process.argv[2] ?? 40_000);

if (process.env.BENCH_ROLE === "bare") {
  const app = new Hono();
  app.get("/api/job/:id", (c) => c.json({ id: Number(c.req.param("id")), name: "input.zip", state: "ok" }));
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.fetch });
  console.log(server.port);
} else {
  await using daemon = await benchDaemon();
  const id = await finishedJob(daemon);
  const request = requestBytes(`GET /api/job/${id} HTTP/1.1`, { Authorization: `Bearer ${await daemon.token()}` });
  const measure = (port: number, count: number) =>
    httpLoad({ port, connections: 32, requests: count, request: () => request, expected: 200 });

  const bare = Bun.spawn([process.execPath, import.meta.path], { env: { ...process.env, BENCH_ROLE: "bare" } });
  const { value } = await bare.stdout.getReader().read();
  const [barePort, port] = [Number(new TextDecoder().decode(value)), Number(new URL(daemon.url).port)];
  await measure(barePort, 2_000);
  await measure(port, 2_000);
  const reference = await measure(barePort, requests);
  const job = await measure(port, requests);
  bare.kill();
  report(`GET /api/job/{id} with a token (${requests})`, `${perSecond(job.perSecond)}, p99 ${job.p99Ms.toFixed(1)} ms`);
  report("bare Hono JSON route", `${perSecond(reference.perSecond)}, p99 ${reference.p99Ms.toFixed(1)} ms`);
  report("ratio", ratio(job.perSecond, reference.perSecond));
}
