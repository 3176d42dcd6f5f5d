import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type DaemonProcess, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { tempDir } from "../support/temp_dir.ts";

const CONFIG = `job_root_dir: jobs
applications:
  echo: {command_template: echo hello, keep_for: P30D}
  keep: {command_template: echo hello}
  wait: {command_template: exec sleep 600}
`;

async function command(directory: string, ...args: readonly string[]) {
  await using run = spawnDaemon(directory, { logName: "command.log", args: ["janitor", ...args] });
  const status = await run.ended();
  return { status, output: run.output() };
}

const files = (daemon: DaemonProcess, path: string) => readdirSync(join(daemon.directory, "jobs", path)).sort();

/** A daemon with one job of each application, the finished ones 31 days old. */
async function withOldJobs(): Promise<DaemonProcess> {
  const daemon = await startDaemon({ config: CONFIG });
  for (const application of ["echo", "keep"]) {
    await daemon.until(await daemon.submitOk(application, { "input.txt": "12345\n" }), "ok");
  }
  await daemon.until(await daemon.submitOk("wait", { "input.txt": "" }), "running");
  const db = new DatabaseSync(join(daemon.directory, "bartender.db"));
  // The daemon may be writing.
  db.exec("pragma busy_timeout = 30000");
  const old = new Date(Date.now() - 31 * 24 * 3600_000).toISOString();
  db.prepare("update job set finished_on = ? where finished_on is not null").run(old);
  db.close();
  return daemon;
}

describe("bartender janitor --dry-run", () => {
  test("lists what would go with age and size beside a running daemon, and removes nothing", async () => {
    await using daemon = await withOldJobs();
    expect(await command(daemon.directory, "--dry-run")).toEqual({
      status: 0,
      output: "job 1 of alice (echo), 13 B, 31 days old\n1 would be removed, 13 B\n",
    });
    expect(await daemon.text("/api/job/1/stdout")).toBe("hello\n");
    expect(files(daemon, "")).toEqual([".bartender", "1", "2", "3"]);
    await daemon.call("DELETE", "/api/job/3");
  });

  test("says so when there is nothing, also in the log level of every day", async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    expect(await command(daemon.directory, "--dry-run")).toEqual({ status: 0, output: "Nothing would be removed\n" });
  });

  test("makes neither a database nor a file", async () => {
    using dir = tempDir();
    writeFileSync(join(dir.path, "config.yaml"), CONFIG);
    mkdirSync(join(dir.path, "jobs"));
    const { status, output } = await command(dir.path, "--dry-run");
    expect(status).toBe(1);
    expect(output).toContain("there is no such database yet");
    expect(readdirSync(dir.path).sort()).toEqual(["command.log", "config.yaml", "jobs"]);
    expect(readdirSync(join(dir.path, "jobs"))).toEqual([]);
  });
});

describe("bartender janitor", () => {
  test("refuses beside a running daemon, which cleans up by itself", async () => {
    await using daemon = await withOldJobs();
    const { status, output } = await command(daemon.directory);
    expect(status).toBe(1);
    expect(output).toContain(`A Bartender is running, process ${daemon.pid} on`);
    expect(files(daemon, "")).toEqual([".bartender", "1", "2", "3"]);
    await daemon.call("DELETE", "/api/job/3");
  });

  test("cleans up once without a daemon and leaves running commands alone", async () => {
    await using daemon = await withOldJobs();
    await daemon.stop("SIGKILL");
    mkdirSync(join(daemon.directory, "jobs/.bartender/uploads/half"));
    const { status, output } = await command(daemon.directory);
    expect(output).toContain("Cleaned up: 1 uploads, 1 jobs\n");
    expect(status).toBe(0);
    expect(files(daemon, "")).toEqual([".bartender", "2", "3"]);
    expect(files(daemon, ".bartender/uploads")).toEqual([]);
    await daemon.restart();
    expect((await daemon.job(3)).state).toBe("running");
    expect((await daemon.job(2)).state).toBe("ok");
    expect((await daemon.call("GET", "/api/job/1")).status).toBe(404);
    expect(existsSync(join(daemon.directory, "jobs/3/stdout.txt"))).toBe(true);
    await daemon.call("DELETE", "/api/job/3");
  });
});
