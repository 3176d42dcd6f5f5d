import { describe, expect, test } from "bun:test";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { type MetricFamily, parsePrometheusText, type Sample } from "../support/prometheus_text.ts";

const CONFIG = `job_root_dir: jobs
applications:
  wc: {command_template: "wc README.md"}
  fail: {command_template: "exit 3"}
  sleep: {command_template: "sleep 600"}
destinations:
  local: {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}
`;

function metricsUrl(daemon: DaemonProcess): string {
  const line = daemon
    .log()
    .split("\n")
    .find((text) => text.includes("Measures are served"));
  const { hostname, port } = JSON.parse(line ?? "{}");
  return `http://${hostname}:${port}/metrics`;
}

async function scrape(url: string): Promise<ReadonlyMap<string, MetricFamily>> {
  const answer = await fetch(url);
  expect([answer.status, answer.headers.get("content-type")]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  return parsePrometheusText(await answer.text());
}

function read(
  page: ReadonlyMap<string, MetricFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const samples = page.get(name.replace(/_(bucket|sum|count)$/, ""))?.samples ?? page.get(name)?.samples ?? [];
  const fits = (sample: Sample) =>
    sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
  const found = samples.filter(fits);
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

describe("the measures of a daemon", () => {
  test("tell what became of jobs, requests, calls and actors, and name no job and no user", async () => {
    await using daemon = await startDaemon({ config: CONFIG, env: { BARTENDER_METRICS_PORT: "0" } });
    const url = metricsUrl(daemon);
    expect(new URL(url).hostname).toBe("127.0.0.1");
    const good = await daemon.submitOk("wc", { "README.md": "one two\n" });
    await daemon.until(good, "ok");
    await daemon.until(await daemon.submitOk("fail", { "README.md": "" }), "error");
    await daemon.until(await daemon.submitOk("sleep", { "README.md": "" }), "running");
    await daemon.submitOk("sleep", { "README.md": "" });
    await daemon.text(`/api/job/${good}/files/no/such/file`);
    await daemon.text("/api/what/ever");
    await daemon.call("PROPFIND", "/api/what/ever");

    await eventually("the second job waits", async () => {
      return read(await scrape(url), "bartender_jobs", { phase: "waiting", destination: "local" }) === 1;
    });
    const page = await scrape(url);
    const local = { destination: "local" };
    expect({
      running: read(page, "bartender_jobs", { ...local, phase: "running", state: "running" }),
      submitted: read(page, "bartender_jobs_submitted_total", { application: "sleep" }),
      ok: read(page, "bartender_jobs_finished_total", { ...local, application: "wc", state: "ok" }),
      failed: read(page, "bartender_jobs_finished_total", { ...local, application: "fail", state: "error" }),
      ends: read(page, "bartender_job_duration_seconds_count", local),
      slots: read(page, "bartender_destination_slots", local),
      used: read(page, "bartender_destination_slots_used", local),
      up: read(page, "bartender_destination_up", local),
      actors: read(page, "bartender_actors", { actor: "job" }),
      notFound: read(page, "bartender_http_requests_total", {
        route: "/api/job/:jobid/files/:path",
        method: "GET",
        status: "404",
      }),
      unrouted: read(page, "bartender_http_requests_total", { route: "none", method: "GET", status: "404" }),
      made: read(page, "bartender_http_requests_total", { route: "/api/application/:application", status: "303" }),
      others: read(page, "bartender_http_requests_total", { route: "none", method: "OTHER" }),
    }).toEqual({
      ...{ running: 1, submitted: 2, ok: 1, failed: 1, ends: 2, slots: 1, used: 1, up: 2, actors: 2 },
      ...{ notFound: 1, unrouted: 1, made: 4, others: 1 },
    });
    for (const name of [
      "bartender_database_call_duration_seconds_count",
      "bartender_scheduler_call_duration_seconds_count",
      "bartender_upload_bytes_total",
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "process_open_fds",
    ]) {
      expect([name, read(page, name) ?? 0]).toEqual([name, expect.any(Number)]);
      expect(read(page, name) ?? 0).toBeGreaterThan(0);
    }
    const values = [...page.values()].flatMap(({ samples }) => samples.flatMap(({ labels }) => Object.values(labels)));
    expect(
      values.filter((value) => value.includes("alice") || value === "README.md" || value.includes("ever")),
    ).toEqual([]);
  });

  test("have names, units and types by the conventions", async () => {
    await using daemon = await startDaemon({ config: CONFIG, env: { BARTENDER_METRICS_PORT: "0" } });
    const page = await scrape(metricsUrl(daemon));
    const odd = [...page.values()].filter(({ name, type }) => {
      if (!/^(?:bartender|process)_[a-z0-9_]+$/.test(name)) return true;
      if (type === "counter") return !name.endsWith("_total");
      return type === "histogram" ? !name.endsWith("_seconds") : name.endsWith("_total");
    });
    expect(odd.map(({ name }) => name)).toEqual([]);
  });

  test("are counted on after a restart from the jobs that there are", async () => {
    await using daemon = await startDaemon({ config: CONFIG, env: { BARTENDER_METRICS_PORT: "0" } });
    await daemon.until(await daemon.submitOk("sleep", { "README.md": "" }), "running");
    await daemon.restart();
    await eventually("the job is counted", async () => {
      return read(await scrape(metricsUrl(daemon)), "bartender_jobs", { phase: "running" }) === 1;
    });
  });

  test("are served nowhere unless a port is given, and never beside the API", async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    expect(daemon.log()).not.toContain("Measures are served");
    expect((await fetch(`${daemon.url}/metrics`)).status).toBe(404);
  });

  test("have an address that answers nothing else", async () => {
    await using daemon = await startDaemon({ config: CONFIG, env: { BARTENDER_METRICS_PORT: "0" } });
    const url = metricsUrl(daemon);
    const other = await fetch(new URL("/api/health", url));
    expect([other.status, await other.json()]).toEqual([404, { detail: "Not Found" }]);
    const post = await fetch(url, { method: "POST" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });
});
