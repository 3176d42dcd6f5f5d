import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type DaemonProcess, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { lastingPort } from "../support/lasting_port.ts";

const CONFIG = `job_root_dir: jobs
applications:
  nap: {command_template: "echo $$; while [ ! -e ../wake ]; do sleep 0.05; done; echo awake; exit 4"}
  wait: {command_template: "echo $$; exec sleep 600"}
`;

const start = (env: Readonly<Record<string, string>> = {}) => startDaemon({ config: CONFIG, env });

/** Ends the naps of a daemon's jobs. */
const wake = (daemon: DaemonProcess) => writeFileSync(join(daemon.directory, "jobs", "wake"), "");

/** Files that a process has open. */
function openFiles(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

describe("a second daemon", () => {
  test("on the same database and job root refuses to start and says who is there", async () => {
    await using first = await start();
    await using second = spawnDaemon(first.directory, { logName: "second.log" });
    expect(await second.ended()).toBe(1);
    expect(second.output()).toContain(`Another Bartender, process ${first.pid} on `);
    expect(second.output()).toMatch(
      / since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, uses database sqlite:\S+\/bartender\.db\./,
    );
    expect(second.output()).toContain("one is enough");
    // The first one has noticed nothing.
    expect((await first.call("GET", "/api/health")).status).toBe(200);
    expect(await first.submitOk("nap", { "a.txt": "" })).toBe(1);
  });

  test("with another database refuses to use the same job root", async () => {
    await using first = await start();
    const env = { BARTENDER_DB_URL: "sqlite:other.db" };
    await using second = spawnDaemon(first.directory, { logName: "second.log", env });
    expect(await second.ended()).toBe(1);
    expect(second.output()).toMatch(/Another Bartender, process \d+ on .* uses the job root /);
  });

  test("with another job root refuses to use the same database", async () => {
    await using first = await start();
    mkdirSync(join(first.directory, "other"));
    writeFileSync(join(first.directory, "other.yaml"), CONFIG.replace("jobs", "other"));
    const args = ["serve", "--config", "other.yaml"];
    await using second = spawnDaemon(first.directory, { logName: "second.log", args });
    expect(await second.ended()).toBe(1);
    expect(second.output()).toContain("uses database sqlite:");
  });

  test("with a database and a job root of its own starts beside the first", async () => {
    await using _first = await start();
    await using second = await start();
    expect((await second.call("GET", "/api/health")).status).toBe(200);
  });

  test("of another database cannot take the address of the first, nor a share of its requests", async () => {
    const env = { BARTENDER_PORT: String(await lastingPort()) };
    await using first = await start(env);
    const other = join(first.directory, "other");
    mkdirSync(join(other, "jobs"), { recursive: true });
    for (const name of ["config.yaml", "public_key.pem"]) {
      writeFileSync(join(other, name), readFileSync(join(first.directory, name)));
    }
    await using second = spawnDaemon(other, { logName: "second.log", env });
    expect(await second.ended()).toBe(1);
    expect(second.output()).toContain(`Cannot listen on 127.0.0.1 port ${env.BARTENDER_PORT}`);
    expect((await first.call("GET", "/api/health")).status).toBe(200);
  });
});

describe("a command that outlives its daemon", () => {
  test("does not hold the locks: the next daemon starts at once and takes it over", async () => {
    await using daemon = await start();
    const id = await daemon.submitOk("nap", { "a.txt": "" });
    await daemon.until(id, "running");
    const stdout = join(daemon.directory, `jobs/${id}/stdout.txt`);
    const pid = await eventually(
      "the pid",
      () => existsSync(stdout) && (Number(readFileSync(stdout, "utf8")) || undefined),
    );
    expect(openFiles(daemon.pid).filter((file) => /lock$/.test(file))).toHaveLength(2);
    expect(openFiles(pid).filter((file) => /lock|\.db|bartender\.log/.test(file))).toEqual([]);
    await daemon.stop("SIGKILL");
    await daemon.restart();
    // It was alive all the time.
    expect(openFiles(pid).length).toBeGreaterThan(0);
    wake(daemon);
    expect((await daemon.until(id, "ok", "error")).state).toBe("error");
    expect(await daemon.text(`/api/job/${id}/stdout`)).toBe(`${pid}\nawake\n`);
  });
});

describe("a standby", () => {
  const standbyPort = (log: string) => /"port":(\d+)[^\n]*this is a standby/.exec(log)?.[1];

  test("says that it is alive but not ready, and takes over running and waiting jobs after kill -9", async () => {
    await using first = await start();
    const [running, waiting] = [
      await first.submitOk("nap", { "a.txt": "" }),
      await first.submitOk("nap", { "a.txt": "" }),
    ];
    await first.until(running, "running");
    await using standby = spawnDaemon(first.directory, { logName: "standby.log", args: ["serve", "--standby"] });
    const port = await eventually("the standby", () => standbyPort(standby.output()));
    const url = `http://127.0.0.1:${port}`;
    expect(standby.output()).toContain(`process ${first.pid} on`);
    expect((await fetch(`${url}/api/live`)).status).toBe(200);
    const ready = await fetch(`${url}/api/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({
      detail: "This Bartender stands by until another one ends, please ask that one",
    });
    expect((await fetch(`${url}/api/job/1`)).status).toBe(503);

    writeFileSync(join(first.directory, "config.yaml"), "applications: {}\n");
    await first.stop("SIGKILL");
    await eventually("the takeover", async () => (await fetch(`${url}/api/ready`)).status === 200);
    expect(standby.output()).toContain(`Bartender listens on ${url}`);
    expect(standby.output()).toMatch(/config\.yaml:1:\d+: applications: must.*that of the start is used/);
    wake(first);
    const headers = { authorization: `Bearer ${await first.token()}` };
    for (const id of [running, waiting]) {
      await eventually("the end of the job", async () => {
        const job = (await (await fetch(`${url}/api/job/${id}`, { headers })).json()) as { readonly state: string };
        return job.state === "error";
      });
      expect(readFileSync(join(first.directory, `jobs/${id}/stdout.txt`), "utf8")).toEndWith("awake\n");
      expect(readFileSync(join(first.directory, `jobs/${id}/returncode`), "utf8")).toBe("4");
    }
    // Each ran once.
    const db = new DatabaseSync(join(first.directory, "bartender.db"), { readOnly: true });
    expect(db.prepare("select distinct attempt from job").all()).toMatchObject([{ attempt: 1 }]);
    db.close();
  });

  test("on the address of the first one takes the address over", async () => {
    const env = { BARTENDER_PORT: String(await lastingPort()) };
    await using first = await start(env);
    const args = ["serve", "--standby"];
    await using standby = spawnDaemon(first.directory, { logName: "standby.log", args, env });
    await eventually("the standby", () => standby.output().includes("Standing by without an address"));
    expect((await first.call("GET", "/api/ready")).status).toBe(200);
    // What is configured while it waits is what it begins with, also for jobs that were accepted meanwhile.
    writeFileSync(join(first.directory, "config.yaml"), `${CONFIG}  late: {command_template: "exit 5"}\n`);
    process.kill(first.pid, "SIGHUP");
    const late = await eventually("the new application", async () => {
      const answer = await first.submit("late", { "a.txt": "" });
      return answer.status === 303 ? Number(answer.headers.get("location")?.split("/").at(-1)) : undefined;
    });
    standby.child.kill("SIGHUP");
    await eventually("the standby has heard", () => standby.output().includes("is read anyway"));
    expect(await first.stop("SIGTERM")).toBe(0);
    await eventually("the takeover", () => standby.output().includes(`Bartender listens on ${first.url}`));
    expect(await first.until(late, "ok", "error")).toMatchObject({ state: "error", returncode: 5 });
    expect(await first.submitOk("late", { "a.txt": "" })).toBe(late + 1);
    expect((await fetch(`${first.url}/api/ready`)).status).toBe(200);
  });

  test("that is told to stop while it waits ends with status 0", async () => {
    await using first = await start();
    await using standby = spawnDaemon(first.directory, { logName: "standby.log", args: ["serve", "--standby"] });
    const port = Number(await eventually("the standby", () => standbyPort(standby.output())));
    standby.child.kill("SIGTERM");
    expect(await standby.ended()).toBe(0);
    const refused = await new Promise((resolve) => connect(port, "127.0.0.1").once("error", resolve));
    expect(String(refused)).toContain("ECONNREFUSED");
    expect((await first.call("GET", "/api/ready")).status).toBe(200);
  });

  test("starts at once when there is nobody to wait for", async () => {
    await using first = await start();
    await first.stop();
    await using standby = spawnDaemon(first.directory, { logName: "standby.log", args: ["serve", "--standby"] });
    await eventually("the start", () => standby.output().includes("Bartender listens on"));
    standby.child.kill("SIGTERM");
    expect(await standby.ended()).toBe(0);
  });
});
