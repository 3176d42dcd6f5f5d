import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, zipFile } from "../support/daemon_process.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

test("the lines of a job name it, its destination and attempt, and the request and trace it came with", async () => {
  await using daemon = await startDaemon({
    config: 'job_root_dir: jobs\napplications: {wc: {command_template: "exit 3"}}\n',
    env: { BARTENDER_LOG_LEVEL: "debug" },
  });
  const body = new FormData();
  body.set("upload", zipFile({ "a.txt": "a" }));
  const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-01`, "x-request-id": "from-the-portal" };
  const answer = await daemon.call("PUT", "/api/application/wc", { body, headers });
  expect([answer.status, answer.headers.get("x-request-id")]).toEqual([303, "from-the-portal"]);
  await daemon.until(1, "error");

  const lines = daemon
    .log()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const ofTheRequest = lines.filter(({ requestId }) => requestId === "from-the-portal");
  expect(ofTheRequest.every(({ trace_id }) => trace_id === TRACE)).toBe(true);
  expect(ofTheRequest.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining(["A job was submitted", "Request", "The job has moved on", "The job has ended"]),
  );
  expect(lines.find(({ msg }) => msg === "The job has ended")).toMatchObject({
    ...{ level: "info", job: 1, destination: "local", attempt: 1, phase: "finished", state: "error", returnCode: 3 },
    actor: "bartender/jobs/job:1",
  });
  expect(lines.filter(({ actor }) => actor === "bartender/jobs/job:1").every(({ job }) => job === 1)).toBe(true);
});

test("after a restart the lines of a job still name the request and trace it came with", async () => {
  await using daemon = await startDaemon({
    config: 'job_root_dir: jobs\napplications: {wait: {command_template: "until [ -e go ]; do sleep 0.1; done"}}\n',
  });
  const body = new FormData();
  body.set("upload", zipFile({ "a.txt": "a" }));
  const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-01`, "x-request-id": "from-the-portal" };
  await daemon.call("PUT", "/api/application/wait", { body, headers });
  await daemon.until(1, "running");
  await daemon.restart();
  writeFileSync(join(daemon.directory, "jobs/1/go"), "");
  await daemon.until(1, "ok");
  const line = daemon
    .log()
    .split("\n")
    .find((text) => text.includes("The job has ended"));
  expect(JSON.parse(line ?? "{}")).toMatchObject({ job: 1, requestId: "from-the-portal", trace_id: TRACE });
});
