import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { processTable } from "../../adapters/scheduler/process_table.ts";
import { type DaemonProcess, type SpawnedCommand, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { documentedSandbox } from "../support/documented_sandbox.ts";
import { eventually } from "../support/eventually.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { tempDir } from "../support/temp_dir.ts";

// Real processes on a busy machine.
setDefaultTimeout(180_000);

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis[Symbol.asyncDispose]());

const table = processTable();
let queues = 0;

const config = (options = ""): string => `job_root_dir: jobs
applications:
  wc: {command_template: wc README.md, upload_needs: [README.md]}
  hang: {command_template: "echo $$ >pids; echo started; sleep 300"}
  waits: {command_template: "echo $$ >pids; until [ -e go ]; do sleep 0.05; done; echo went"}
destinations:
  far:
    scheduler: {type: arq, redis_dsn: "${redis.dsn}", queue: "q:${++queues}", max_jobs: 2${options}}
    filesystem: {type: local}
`;

async function startPerformer(daemon: DaemonProcess, name = "performer.log"): Promise<SpawnedCommand> {
  const performer = spawnDaemon(daemon.directory, { logName: name, args: ["perform", "--destination", "far"] });
  await eventually(
    "the performer",
    () => {
      if (performer.child.exitCode !== null) throw new Error(performer.output());
      return performer.output().includes("Worker running for 'far' destination in config.yaml.");
    },
    120_000,
  );
  return performer;
}

/** The process of the command of a job, once it runs. */
function pidOf(daemon: DaemonProcess, id: number): Promise<number> {
  const path = join(daemon.directory, "jobs", String(id), "pids");
  return eventually("the command", () => existsSync(path) && (Number(readFileSync(path, "utf8")) || undefined));
}

const go = (daemon: DaemonProcess, id: number): void =>
  writeFileSync(join(daemon.directory, "jobs", String(id), "go"), "");

describe("perform", () => {
  test("runs the jobs of a daemon on another machine, which follows their logs and cancels them", async () => {
    // No renewal of the lease comes soon, which would tell of a cancellation as well.
    await using daemon = await startDaemon({ config: config(", heartbeat_timeout: 3600") });
    const waiting = await daemon.submitOk("wc", { "README.md": "one two\n" });
    await daemon.until(waiting, "queued");
    await using _performer = await startPerformer(daemon);
    await daemon.until(waiting, "ok");
    expect(await daemon.text(`/api/job/${waiting}/stdout`)).toBe("1 2 8 README.md\n");

    const hanging = await daemon.submitOk("hang", { "a.txt": "a" });
    const pid = await pidOf(daemon, hanging);
    await daemon.until(hanging, "running");
    const followed = await daemon.call("GET", `/api/job/${hanging}/stdout?follow=true`);
    const reader = followed.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("started\n");
    expect((await daemon.call("POST", `/api/job/${hanging}/cancel`)).status).toBe(202);
    await eventually("the end of the command", () => table.read(pid) === undefined);
    expect((await daemon.until(hanging, "error")).state).toBe("error");
    expect(await daemon.text(`/api/job/${hanging}/files/returncode`)).toBe("-15");
    await reader?.cancel();
  });

  test("on SIGTERM waits for its jobs and leaves the others to the next", async () => {
    await using daemon = await startDaemon({ config: config() });
    const performer = await startPerformer(daemon);
    const id = await daemon.submitOk("waits", { "a.txt": "a" });
    await pidOf(daemon, id);
    performer.child.kill("SIGTERM");
    await eventually("the drain", () => performer.output().includes("takes no more jobs"));
    const later = await daemon.submitOk("wc", { "README.md": "one\n" });
    await daemon.until(later, "queued");
    const home = join(daemon.directory, "jobs/.bartender/performers", hostname(), "far/1");
    const guard = Number(readFileSync(join(home, "guard"), "utf8"));
    expect(table.read(guard)).toBeDefined();
    go(daemon, id);
    expect(await performer.ended()).toBe(0);
    // Or systemd would warn of a process that was left over.
    expect(table.read(guard)).toBeUndefined();
    await daemon.until(id, "ok");
    expect((await daemon.job(later)).state).toBe("queued");
    await using _next = await startPerformer(daemon, "next.log");
    await daemon.until(later, "ok");
  });

  test("on a second SIGTERM ends its jobs, which counts as an interruption", async () => {
    await using daemon = await startDaemon({ config: config() });
    const performer = await startPerformer(daemon);
    const id = await daemon.submitOk("hang", { "a.txt": "a" });
    const pid = await pidOf(daemon, id);
    performer.child.kill("SIGTERM");
    await eventually("the drain", () => performer.output().includes("takes no more jobs"));
    performer.child.kill("SIGTERM");
    expect(await performer.ended()).toBe(0);
    expect(table.read(pid)).toBeUndefined();
    await daemon.until(id, "error");
    expect(await daemon.text(`/api/job/${id}/stderr`)).toContain("The performer was stopped");
  });

  // These wait more than they work.
  test.concurrent("ends a command at its job_timeout, with returncode and reason", async () => {
    await using daemon = await startDaemon({ config: config(", job_timeout: 1") });
    await using _performer = await startPerformer(daemon);
    const id = await daemon.submitOk("hang", { "a.txt": "a" });
    await daemon.until(id, "error");
    expect(await daemon.text(`/api/job/${id}/files/returncode`)).toBe("-15");
    expect(await daemon.text(`/api/job/${id}/stderr`)).toContain("Timed out after 1 s");
  });

  test.concurrent("waits no longer than drain_timeout for its jobs", async () => {
    await using daemon = await startDaemon({ config: config(", drain_timeout: 1") });
    const performer = await startPerformer(daemon);
    const id = await daemon.submitOk("hang", { "a.txt": "a" });
    const pid = await pidOf(daemon, id);
    performer.child.kill("SIGTERM");
    expect(await performer.ended()).toBe(0);
    expect(table.read(pid)).toBeUndefined();
    await daemon.until(id, "error");
    expect(await daemon.text(`/api/job/${id}/stderr`)).toContain("did not end within drain_timeout (1 s)");
  });

  test.concurrent("loses its job when it is killed, which then runs again elsewhere where the destination wants that", async () => {
    const text = config(", heartbeat_timeout: 15").replace("filesystem", "on_interrupt: rerun\n    filesystem");
    await using daemon = await startDaemon({ config: text });
    const performer = await startPerformer(daemon);
    const id = await daemon.submitOk("waits", { "a.txt": "a" });
    const pid = await pidOf(daemon, id);
    await daemon.until(id, "running");
    performer.child.kill("SIGKILL");
    await performer.ended();
    // In another place, so that it takes nothing over.
    await using _next = spawnDaemon(daemon.directory, {
      logName: "next.log",
      args: ["perform", "--destination", "far"],
      env: { STATE_DIRECTORY: join(daemon.directory, "state") },
    });
    const path = join(daemon.directory, "jobs", String(id), "pids");
    const second = await eventually(
      "the second attempt",
      () => {
        const written = Number(readFileSync(path, "utf8"));
        return written !== 0 && written !== pid && written;
      },
      90_000,
    );
    expect(second).not.toBe(pid);
    expect(table.read(pid)).toBeUndefined();
    expect((await daemon.job(id)).state).toBe("running");
    go(daemon, id);
    await daemon.until(id, "ok");
  });

  test.skipIf(!existsSync("/usr/bin/bwrap"))(
    "runs commands in the sandbox of the destination, in which they see their own job alone",
    async () => {
      await using daemon = await startDaemon({ config: config() });
      const jobs = join(daemon.directory, "jobs");
      const places = ["/etc/bartender", "/var/lib/bartender", "/run/bartender"];
      for (const name of ["a", "b", "c", "tmp"]) mkdirSync(join(daemon.directory, name));
      const inPlaceOf = new Map(places.map((path, index) => [path, join(daemon.directory, "abc"[index] ?? "")]));
      const sandbox = documentedSandbox({
        ...Object.fromEntries(inPlaceOf),
        // Of this very test, so that not all of its files are hidden by their place.
        "/tmp": join(daemon.directory, "tmp"),
        "/srv/bartender/jobs": jobs,
      });
      const text = config(`, sandbox: ${JSON.stringify(sandbox)}`).replace(
        "wc README.md",
        `ls -A ..; ls -A ../../a; touch ../../written || echo read-only; echo own >own.txt`,
      );
      writeFileSync(join(daemon.directory, "config.yaml"), text);
      writeFileSync(join(daemon.directory, "a/secret"), "");
      await daemon.restart();
      const other = await daemon.submitOk("waits", { "a.txt": "a" });
      await using _performer = await startPerformer(daemon);
      const otherPid = await pidOf(daemon, other);
      const id = await daemon.submitOk("wc", { "README.md": "one two\n" });
      await daemon.until(id, "ok");
      expect(await daemon.text(`/api/job/${id}/stdout`)).toBe(`${id}\nread-only\n`);
      expect(await daemon.text(`/api/job/${id}/files/own.txt`)).toBe("own\n");
      expect(existsSync(join(daemon.directory, "written"))).toBe(false);
      expect((await daemon.call("POST", `/api/job/${other}/cancel`)).status).toBe(202);
      await daemon.until(other, "error");
      // As the command saw it.
      expect(otherPid).toBeLessThan(100);
    },
  );

  test("does not start where the sandbox of the destination does not work, and says why", async () => {
    using dir = tempDir();
    mkdirSync(join(dir.path, "jobs"));
    writeFileSync(join(dir.path, "config.yaml"), config(', sandbox: [sh, -c, "echo no room >&2; exit 3"]'));
    await using performer = spawnDaemon(dir.path, { logName: "performer.log", args: ["perform"] });
    expect(await performer.ended()).toBe(1);
    expect(performer.output()).toEndWith("bartender: Destination far: sandbox: sh ended with 3: no room\n");
  });

  test("names what is wrong with a destination, and ends with 1", async () => {
    using dir = tempDir();
    mkdirSync(join(dir.path, "jobs"));
    const text = `${config()}  here: {scheduler: {type: memory}, filesystem: {type: local}}\n`;
    writeFileSync(join(dir.path, "config.yaml"), text);
    await using unknown = spawnDaemon(dir.path, {
      logName: "unknown.log",
      args: ["perform", "--config", "config.yaml", "--destination", "far", "nowhere", "here"],
    });
    expect(await unknown.ended()).toBe(1);
    expect(unknown.output()).toContain("--destination nowhere: no such destination");
    expect(unknown.output()).toContain("--destination here: its scheduler is memory, not arq");
    writeFileSync(join(dir.path, "none.yaml"), 'applications: {a: {command_template: "true"}}\njob_root_dir: jobs\n');
    await using none = spawnDaemon(dir.path, { logName: "none.log", args: ["perform", "--config", "none.yaml"] });
    expect(await none.ended()).toBe(1);
    expect(none.output()).toContain("No valid destination found in config file.");
  });
});
