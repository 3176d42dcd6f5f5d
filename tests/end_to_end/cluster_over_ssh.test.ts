import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { SPEED_FILE } from "../support/fault_points.ts";
import { startSlurmCluster } from "../support/slurm_cluster.ts";
import { type SshServer, sshAccount, sshServer, withOtherKeys } from "../support/ssh_server.ts";
import { tempDir } from "../support/temp_dir.ts";

setDefaultTimeout(180_000);

const cluster = await startSlurmCluster();
const account = sshAccount();
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  account[Symbol.dispose]();
});

const FAULT_MAIN = resolve(import.meta.dir, "../support/fault_main.ts");

interface World extends AsyncDisposable {
  readonly server: SshServer;
  readonly daemon: DaemonProcess;
}

interface Settings {
  readonly keepRemote?: boolean;
  /** How many times as fast as the machine the daemon ages. Default: 1. */
  readonly speed?: number;
  /** How often a transfer is tried. Default: 50. */
  readonly maxAttempts?: number;
}

/** A daemon whose only way to the cluster is SSH, and to its files SFTP. */
async function open({ keepRemote = false, speed = 1, maxAttempts = 50 }: Settings = {}): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const faults = opened.use(tempDir()).path;
  writeFileSync(join(faults, SPEED_FILE), String(speed));
  const settings = [`SetEnv SLURM_CONF=${cluster.environment.SLURM_CONF}`];
  const server = opened.use(await sshServer({ account, settings }));
  const { hostname, port, username, privateKeyFile, knownHostsFile } = server.config;
  const login = `{hostname: ${hostname}, port: ${port}, username: ${username}, private_key: ${privateKeyFile}, known_hosts: ${knownHostsFile}}`;
  const daemon = await startDaemon({
    config: `job_root_dir: jobs
applications:
  count:
    command_template: mkdir out; wc -w < 'some text.txt' > out/result; echo >> ledger; echo {{ text|q }}; touch begun; until [ -e go ] || [ {{ wait|q }} = no ]; do sleep 0.1; done; cat out/result; exit {{ status|q }}
    input_schema:
      type: object
      properties:
        text: {type: string, default: begun}
        wait: {type: string, default: "no"}
        status: {type: integer, default: 0}
destinations:
  cluster:
    scheduler: {type: slurm, partition: wide, ssh_config: ${login}}
    filesystem: {type: sftp, entry: ${server.entry}, ssh_config: ${login}, keep_remote: ${keepRemote}}
    retry: {max_attempts: ${maxAttempts}, initial_delay: ${speed}, max_delay: ${2 * speed}}
    poll_interval: ${speed}
`,
    ...(speed === 1 ? {} : { main: FAULT_MAIN, env: { FAULTS: faults } }),
  });
  opened.use(daemon);
  const kept = opened.move();
  return { server, daemon, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const FILES = { "some text.txt": "three words here\n" };
const copies = (server: SshServer): readonly string[] =>
  readdirSync(server.entry).filter((name) => name !== ".bartender");

test.concurrent("jobs run on a cluster behind SSH, their output comes back, and no copy stays there", async () => {
  await using world = await open();
  const { daemon, server } = world;
  const good = await daemon.submitOk("count", FILES);
  const bad = await daemon.submitOk("count", FILES, { status: "3" });
  expect(await daemon.until(good, "ok", "error")).toMatchObject({ state: "ok", returncode: 0 });
  expect(await daemon.until(bad, "ok", "error")).toMatchObject({ state: "error", returncode: 3 });
  for (const id of [good, bad]) {
    expect(await daemon.text(`/api/job/${id}/stdout`)).toBe("begun\n3\n");
    expect(await daemon.text(`/api/job/${id}/files/out/result`)).toBe("3\n");
  }
  expect(await daemon.text(`/api/job/${bad}/files/returncode`)).toBe("3");
  await eventually("the copies to go", () => copies(server).length === 0);
});

test.concurrent("the log of a running job is shown and followed from there", async () => {
  await using world = await open();
  const { daemon, server } = world;
  const id = await daemon.submitOk("count", FILES, { wait: "yes", text: "first\nsecond" });
  await daemon.until(id, "running");
  await eventually("the last line", async () => (await daemon.text(`/api/job/${id}/stdout?tail=1`)) === "second\n");
  const followed = daemon.text(`/api/job/${id}/stdout?follow=true`);
  writeFileSync(join(server.entry, String(id), "go"), "");
  expect(await followed).toBe("first\r\nsecond\n3\n");
  expect((await daemon.job(id)).state).toBe("ok");
});

test.concurrent("a cancelled and a deleted job leave nothing there", async () => {
  await using world = await open();
  const { daemon, server } = world;
  const [cancelled, deleted] = [
    await daemon.submitOk("count", FILES, { wait: "yes" }),
    await daemon.submitOk("count", FILES, { wait: "yes" }),
  ];
  for (const id of [cancelled, deleted]) await daemon.until(id, "running");
  await daemon.call("POST", `/api/job/${cancelled}/cancel`);
  expect(await daemon.until(cancelled, "ok", "error")).toMatchObject({
    state: "error",
    reason: "Cancelled by alice",
  });
  expect(await daemon.text(`/api/job/${cancelled}/stdout`)).toBe("begun\n");
  expect((await daemon.call("DELETE", `/api/job/${deleted}`)).status).toBe(204);
  await eventually(
    "nothing to be left",
    () => copies(server).length === 0 && !cluster.command("squeue", "-h", "-o", "%Z").includes(server.entry),
  );
});

test.concurrent("a host that goes away in every phase costs nothing but time, and no job runs twice", async () => {
  await using world = await open({ keepRemote: true });
  const { daemon, server } = world;
  const outage = async (): Promise<void> => {
    await server.kill();
    await server.start();
  };
  await server.kill();
  const id = await daemon.submitOk("count", FILES, { wait: "yes" });
  await server.start();
  const remote = join(server.entry, String(id));
  await eventually("the command to run", () => existsSync(join(remote, "begun")), 60_000);
  await outage();
  await daemon.stop("SIGKILL");
  await daemon.restart();
  await daemon.until(id, "running");
  await server.kill();
  await Bun.write(join(remote, "go"), "");
  await eventually("the command to end", () => existsSync(join(remote, "returncode")), 60_000);
  await server.start();
  expect(await daemon.until(id, "ok", "error")).toMatchObject({ state: "ok", returncode: 0 });
  expect(readFileSync(join(daemon.directory, "jobs", String(id), "ledger"), "utf8")).toBe("\n");
});

test.concurrent("a host whose key was changed keeps jobs waiting, and says why", async () => {
  await using world = await open();
  const { daemon, server } = world;
  const known = readFileSync(server.knownHostsFile, "utf8");
  await Bun.write(server.knownHostsFile, withOtherKeys(known));
  const id = await daemon.submitOk("count", FILES);
  await eventually("the reason in the log", () => daemon.log().includes("showed another ssh-ed25519 key than line 1"));
  expect(await daemon.job(id)).toMatchObject({ state: "new" });
  await Bun.write(server.knownHostsFile, known);
  expect(await daemon.until(id, "ok", "error")).toMatchObject({ state: "ok" });
});

test.concurrent("a host that refuses connections for more than a minute costs no job, and none runs twice", async () => {
  // Tries that count would soon be used up.
  await using world = await open({ speed: 10, maxAttempts: 4 });
  const { daemon, server } = world;
  const submit = (): Promise<number> => daemon.submitOk("count", FILES, { wait: "yes" });
  const early = [await submit(), await submit()] as const;
  for (const id of early) {
    await daemon.until(id, "running");
    await eventually("the command to run", () => existsSync(join(server.entry, String(id), "begun")));
  }
  await server.kill();
  const [ended, endless] = early;
  writeFileSync(join(server.entry, String(ended), "go"), "");
  const late = await daemon.submitOk("count", FILES);
  const cancelled = await daemon.submitOk("count", FILES);
  await daemon.call("POST", `/api/job/${cancelled}/cancel`);
  await eventually("a minute of refusals", () => refusedMs(daemon) > 60_000, 90_000);
  for (const id of early) expect((await daemon.job(id)).state).toBe("running");
  expect((await daemon.job(late)).state).toBe("new");
  await server.start();
  // It may have begun to be copied.
  expect(await daemon.until(cancelled, "ok", "error")).toMatchObject({ reason: "Cancelled by alice" });
  await daemon.until(ended, "ok");
  await daemon.until(late, "ok");
  writeFileSync(join(server.entry, String(endless), "go"), "");
  await daemon.until(endless, "ok");
  for (const id of [...early, late]) expect(await daemon.text(`/api/job/${id}/files/ledger`)).toBe("\n");
  await eventually("the copies to go", () => copies(server).length === 0);
});

/** How long the host has refused connections, by the clock of the daemon: the pauses between tries that failed. */
function refusedMs(daemon: DaemonProcess): number {
  const lines = daemon.log().split("\n");
  const refused = lines.filter((line) => line.includes("No connection over SSH") && line.includes("ECONNREFUSED"));
  const pauses = refused.map((line) => Number(/"retryInMs":(\d+)/.exec(line)?.[1]));
  return pauses.slice(0, -1).reduce((sum, ms) => sum + ms, 0);
}
