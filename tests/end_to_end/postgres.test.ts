import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pythonJob, pythonPostgres } from "../adapters/job_store/python_database.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { LOCKED_USER, type PostgresServer, startPostgres } from "../support/postgres_server.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

const CONFIG = `job_root_dir: jobs
applications:
  wc: {command_template: wc README.md, upload_needs: [README.md]}
  gate: {command_template: "echo started; while [ ! -e open ]; do sleep 0.05; done; echo done"}
destinations:
  local: {scheduler: {type: memory, slots: 4}, filesystem: {type: local}}
`;

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const startOn = (url: string) => startDaemon({ config: CONFIG, env: { BARTENDER_DB_URL: url } });

const OK = { state: "ok", reason: null, returncode: 0 };

/** How a job ends, and why. */
async function end(daemon: DaemonProcess, id: number) {
  await daemon.until(id, "ok", "error");
  const job = (await (await daemon.call("GET", `/api/job/${id}`)).json()) as Record<string, unknown>;
  return { state: job.state, reason: job.reason, returncode: job.returncode };
}

/** Directories of jobs, without the daemon's own. */
const jobDirs = (daemon: DaemonProcess) =>
  readdirSync(join(daemon.directory, "jobs")).filter((name) => name !== ".bartender");

describe("the daemon on PostgreSQL", () => {
  test("runs a job to its end, and knows it after a restart", async () => {
    const url = await server.createDatabase();
    await using daemon = await startOn(url);
    const id = await daemon.submitOk("wc", { "README.md": "one two\nthree\n" });
    expect(await end(daemon, id)).toEqual(OK);
    expect(await daemon.text(`/api/job/${id}/stdout`)).toMatch(/^\s*2\s+3\s+14 README\.md\n$/);
    expect(await server.sql(url, "select state, submitter, destination from job")).toMatchObject([
      { state: "ok", submitter: "alice", destination: "local" },
    ]);
    expect(existsSync(join(daemon.directory, "bartender.db"))).toBe(false);
    await daemon.restart();
    expect((await daemon.job(id)).state).toBe("ok");
  });

  test("finds the database by the variables of the Python Bartender, and never shows the password", async () => {
    const base = new URL(await server.createDatabase()).pathname.slice(1);
    await server.sql(
      server.url(base),
      `create role ${LOCKED_USER} login password 's3cret@:/'`,
      `grant all on schema public to ${LOCKED_USER}`,
    );
    const env = {
      ...{ BARTENDER_DB_HOST: "127.0.0.1", BARTENDER_DB_PORT: String(server.port) },
      ...{ BARTENDER_DB_USER: LOCKED_USER, BARTENDER_DB_PASS: "s3cret@:/", BARTENDER_DB_BASE: base },
    };
    await using daemon = await startDaemon({ config: CONFIG, env });
    const id = await daemon.submitOk("wc", { "README.md": "" });
    expect(await end(daemon, id)).toEqual(OK);
    await server.stop();
    expect((await daemon.call("GET", "/api/job/")).status).toBe(503);
    await server.start();
    expect(daemon.log()).not.toContain("s3cret");
  });

  test("answers 503 while the database is away; commands run on, and what they did is recorded afterwards", async () => {
    await using daemon = await startOn(await server.createDatabase());
    const [during, after] = [
      await daemon.submitOk("gate", { "a.txt": "" }),
      await daemon.submitOk("gate", { "a.txt": "" }),
    ];
    for (const id of [during, after]) await daemon.until(id, "running");
    const { pid } = daemon;
    await server.stop();

    const requests = [
      () => daemon.call("GET", `/api/job/${during}`),
      () => daemon.call("GET", "/api/job/"),
      () => daemon.call("DELETE", `/api/job/${during}`),
      () => daemon.call("GET", `/api/job/${during}/stdout`),
      () => daemon.submit("wc", { "README.md": "" }),
      () => daemon.call("GET", "/api/health"),
    ];
    for (const request of requests) {
      const response = await request();
      expect([response.url, response.status]).toEqual([response.url, 503]);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await response.json()).toEqual({ detail: "The job store is not available, please try again later" });
    }
    expect(jobDirs(daemon).length).toBe(2);

    writeFileSync(join(daemon.directory, `jobs/${during}/open`), "");
    await eventually("the end of the command", () => existsSync(join(daemon.directory, `jobs/${during}/returncode`)));
    await server.start();
    expect(await end(daemon, during)).toEqual(OK);
    expect(await daemon.text(`/api/job/${during}/stdout`)).toBe("started\ndone\n");
    await daemon.until(after, "running");
    writeFileSync(join(daemon.directory, `jobs/${after}/open`), "");
    expect(await end(daemon, after)).toEqual(OK);
    const id = await daemon.submitOk("wc", { "README.md": "" });
    expect(await end(daemon, id)).toEqual(OK);
    expect(daemon.pid).toBe(pid);
  }, 180_000);

  test("goes on after the database was frozen", async () => {
    await using daemon = await startOn(await server.createDatabase());
    const id = await daemon.submitOk("gate", { "a.txt": "" });
    await daemon.until(id, "running");
    server.freeze();
    const response = await daemon.call("GET", `/api/job/${id}`);
    server.thaw();
    expect(response.status).toBe(503);
    writeFileSync(join(daemon.directory, `jobs/${id}/open`), "");
    expect(await end(daemon, id)).toEqual(OK);
  }, 180_000);
});

describe("the upgrade of a Python Bartender", () => {
  test("keeps finished jobs with their files and ends the others with a reason", async () => {
    await using world = await pythonPostgres(server);
    const { url } = world.database as { readonly url: string };
    await world.sql(
      pythonJob({ id: 1, state: "ok", internalId: "b8f7", destination: "local" }).replace("'someone'", "'alice'"),
      pythonJob({ id: 2, state: "running", internalId: "c2d1", destination: "local" }).replace("'someone'", "'alice'"),
      pythonJob({ id: 3, state: "new" }).replace("'someone'", "'alice'"),
    );
    const migrated = spawnSync(process.execPath, ["--no-env-file", MAIN, "migrate"], {
      env: { PATH: process.env.PATH ?? "", BARTENDER_DB_URL: url },
      encoding: "utf8",
    });
    expect([migrated.status, migrated.stderr]).toEqual([0, ""]);
    expect(migrated.stdout).toContain("took over 3 jobs of the Python Bartender, 2 of them unfinished");

    await using daemon = await startOn(url);
    for (const id of [1, 2, 3]) {
      mkdirSync(join(daemon.directory, `jobs/${id}`), { recursive: true });
      writeFileSync(join(daemon.directory, `jobs/${id}/stdout.txt`), "output\n");
    }
    expect(await daemon.job(1)).toMatchObject({
      ...{ id: 1, name: "input.zip", application: "wc", state: "ok" },
      ...{ created_on: "2023-04-05T06:07:08.123456+00:00", updated_on: "2023-04-05T06:07:09+00:00" },
    });
    expect(await daemon.text("/api/job/1/stdout")).toBe("output\n");
    const reason = "The job was not finished when Bartender was upgraded";
    for (const id of [2, 3]) expect(await end(daemon, id)).toEqual({ state: "error", reason, returncode: null });
    expect(await daemon.submitOk("wc", { "README.md": "" })).toBe(4);
    expect((await daemon.call("DELETE", "/api/job/1")).status).toBe(204);
    expect(jobDirs(daemon)).not.toContain("1");
  });
});
