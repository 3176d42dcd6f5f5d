import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon_process.ts";
import { tempDir } from "../support/temp_dir.ts";

test("on Deno the daemon counts words, answers an interactive application, deletes the job and stops in order", async () => {
  using jobs = tempDir();
  await using daemon = await startDaemon({
    runtime: "deno",
    config: `job_root_dir: ${jobs.path}
limits: {interactive_max_load: 1000}
applications:
  wc: {command_template: wc README.md, upload_needs: [README.md]}
  wait: {command_template: "sleep 600"}
interactive_applications:
  head:
    command_template: head -n {{ lines|q }} README.md
    input_schema: {type: object, properties: {lines: {type: integer}}}
`,
  });
  expect(daemon.log()).toContain("console listens");
  const id = await daemon.submitOk("wc", { "README.md": "one two\nthree\n" });
  expect((await daemon.until(id, "ok", "error")).state).toBe("ok");
  expect(await daemon.text(`/api/job/${id}/stdout`)).toMatch(/^\s*2\s+3\s+14 README\.md\n$/);

  const answer = await daemon.call("POST", `/api/job/${id}/interactive/head`, {
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ lines: 1 }),
  });
  expect(await answer.json()).toMatchObject({ returncode: 0, stdout: "one two\n", stderr: "" });

  expect((await daemon.call("DELETE", `/api/job/${id}`)).status).toBe(204);
  expect((await daemon.call("GET", `/api/job/${id}`)).status).toBe(404);
  expect(readdirSync(jobs.path)).toEqual([".bartender"]);

  // What runs is not left behind by the test.
  const running = await daemon.submitOk("wait", { "README.md": "" });
  await daemon.until(running, "running");
  expect((await daemon.call("POST", `/api/job/${running}/cancel`)).status).toBe(202);
  expect((await daemon.until(running, "error")).state).toBe("error");

  expect(await daemon.stop("SIGTERM")).toBe(0);
  expect(existsSync(join(daemon.directory, "bartender.db-wal"))).toBe(false);
});
