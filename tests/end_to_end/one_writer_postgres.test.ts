import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { type DaemonProcess, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { type PostgresServer, startPostgres } from "../support/postgres_server.ts";

const LOCK_HOLDER = resolve(import.meta.dir, "../adapters/writer_lock/lock_holder.ts");

const CONFIG = `job_root_dir: jobs
applications:
  nap: {command_template: "while [ ! -e ../wake ]; do sleep 0.05; done; echo awake"}
`;

/** Ends the naps of a daemon's jobs. */
const wake = (daemon: DaemonProcess) => writeFileSync(join(daemon.directory, "jobs", "wake"), "");

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

describe("daemons on one PostgreSQL database", () => {
  test("work one at a time, with a standby that takes over after kill -9", async () => {
    const env = { BARTENDER_DB_URL: await server.createDatabase() };
    await using first = await startDaemon({ config: CONFIG, env });
    await using second = spawnDaemon(first.directory, { logName: "second.log", env });
    expect(await second.ended()).toBe(1);
    expect(second.output()).toMatch(/Another Bartender, process \d+ .*since \d{4}-\S+Z, uses database postgres:/);

    const id = await first.submitOk("nap", { "a.txt": "" });
    await first.until(id, "running");
    const args = ["serve", "--standby"];
    await using standby = spawnDaemon(first.directory, { logName: "standby.log", args, env });
    await eventually("the standby", () => standby.output().includes("Standing by"));
    await first.stop("SIGKILL");
    const url = await eventually("the takeover", () => /listens on (\S+)/.exec(standby.output())?.[1]);
    wake(first);
    const headers = { authorization: `Bearer ${await first.token()}` };
    await eventually("the end of the job", async () => {
      const job = (await (await fetch(`${url}/api/job/${id}`, { headers })).json()) as { readonly state: string };
      return job.state === "ok";
    });
  });

  test("that lost the lock to another process end with status 1 and leave commands alone", async () => {
    const url = await server.createDatabase();
    await using daemon = await startDaemon({ config: CONFIG, env: { BARTENDER_DB_URL: url } });
    const id = await daemon.submitOk("nap", { "a.txt": "" });
    await daemon.until(id, "running");
    // As after a long break of the network, in which the server has given the daemon up.
    process.kill(daemon.pid, "SIGSTOP");
    await server.sql(url, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'");
    const other = spawn(process.execPath, [LOCK_HOLDER, JSON.stringify({ kind: "postgres", url })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      expect(String((await once(other.stdout, "data"))[0])).toContain('"isAcquired":true');
      process.kill(daemon.pid, "SIGCONT");
      expect(await eventually("the end", () => daemon.ended())).toBe(1);
      expect(daemon.log()).toContain("Two Bartenders must not write at the same time");
    } finally {
      other.kill("SIGKILL");
    }
    await daemon.restart();
    wake(daemon);
    expect((await daemon.until(id, "ok", "error")).state).toBe("ok");
  });
});
