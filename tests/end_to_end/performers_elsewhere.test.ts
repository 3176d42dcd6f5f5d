import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processTable } from "../../adapters/scheduler/process_table.ts";
import { type DaemonProcess, type SpawnedCommand, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { mayHideDirectories, withoutDirectory } from "../support/hidden_directory.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { type SshServer, sshAccount, sshServer } from "../support/ssh_server.ts";
import { tempDir } from "../support/temp_dir.ts";

// Real processes on a busy machine.
setDefaultTimeout(180_000);

let redis: RedisServer;
const account = sshAccount();

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  account[Symbol.dispose]();
});

let queues = 0;

/** A daemon that brings jobs to an SSH server, and a machine that sees nothing of either but through that server. */
interface World extends AsyncDisposable {
  readonly server: SshServer;
  readonly daemon: DaemonProcess;
  startPerformer(): Promise<SpawnedCommand>;
  /** What the other machine has of attempts. */
  attempts(): readonly string[];
  /** The same, and what the storage has of jobs. */
  leftovers(): readonly string[];
}

/** @param heartbeatS long enough by default that nothing is lost by a busy machine */
async function openWorld(heartbeatS = 300): Promise<World> {
  const server = await sshServer({ account });
  const { hostname, port, username, privateKeyFile, knownHostsFile } = server.config;
  const login = `{hostname: ${hostname}, port: ${port}, username: ${username}, private_key: ${privateKeyFile}, known_hosts: ${knownHostsFile}}`;
  const config = `job_root_dir: jobs
destination_picker: ./only_at_the_daemon.js:pick
applications:
  work:
    command_template: >-
      echo start >>starts; echo $$ >pid; echo begun; until [ -e go ]; do sleep 0.05; done;
      mkdir -p out; wc -w <in/some.txt >out/words; echo more >>in/changed.txt; ln -s out/words link; rm go
destinations:
  large:
    scheduler: {type: arq, redis_dsn: "${redis.dsn}", queue: q${++queues}, max_jobs: 2, heartbeat_timeout: ${heartbeatS}}
    filesystem: {type: sftp, entry: ${server.entry}, ssh_config: ${login}}
`;
  const files = { "only_at_the_daemon.js": 'export const pick = () => "large";' };
  const daemon = await startDaemon({ config, files });
  const there = tempDir();
  mkdirSync(join(there.path, "jobs"));
  writeFileSync(join(there.path, "config.yaml"), config);
  const performers: SpawnedCommand[] = [];
  const copies = join(there.path, "jobs", ".bartender", "copies");
  const attempts = (): readonly string[] =>
    existsSync(copies)
      ? readdirSync(copies).flatMap((name) => readdirSync(join(copies, name)).map((tag) => join(copies, name, tag)))
      : [];
  return {
    ...{ server, daemon, attempts },
    async startPerformer() {
      const performer = spawnDaemon(there.path, {
        logName: `performer${performers.length}.log`,
        args: ["perform"],
        prefix: withoutDirectory(server.entry),
      });
      performers.push(performer);
      await eventually(
        "the performer",
        () => {
          if (performer.child.exitCode !== null) throw new Error(performer.output());
          return performer.output().includes("Worker running for 'large' destination");
        },
        120_000,
      );
      return performer;
    },
    leftovers: () => [...attempts(), ...readdirSync(server.entry).filter((name) => name !== ".bartender")],
    async [Symbol.asyncDispose]() {
      for (const performer of performers) await performer[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      there[Symbol.dispose]();
    },
  };
}

const FILES = { "in/some.txt": "three words here\n", "in/changed.txt": "once\n" };

/** Waits until the command of the only job runs. */
async function running(world: World): Promise<{ readonly directory: string; readonly pid: number }> {
  const directory = await eventually("the copy", () =>
    world
      .attempts()
      .map((path) => join(path, "files"))
      .find((path) => existsSync(path)),
  );
  const path = join(directory, "pid");
  const pid = await eventually(
    "the command",
    () => existsSync(path) && (Number(readFileSync(path, "utf8")) || undefined),
  );
  return { directory, pid };
}

/** Lets the command end. */
const finish = (directory: string): void => writeFileSync(join(directory, "go"), "");

async function expectResult({ daemon }: World, id: number): Promise<void> {
  await daemon.until(id, "ok");
  expect(await daemon.text(`/api/job/${id}/files/out/words`)).toBe("3\n");
  expect(await daemon.text(`/api/job/${id}/files/in/changed.txt`)).toBe("once\nmore\n");
  expect(await daemon.text(`/api/job/${id}/files/in/some.txt`)).toBe("three words here\n");
  expect(await daemon.text(`/api/job/${id}/files/link`)).toBe("3\n");
  expect(await daemon.text(`/api/job/${id}/stdout`)).toBe("begun\n");
  expect(await daemon.text(`/api/job/${id}/files/returncode`)).toBe("0");
}

describe.skipIf(!mayHideDirectories())("a performer that does not see the job directories", () => {
  test("fetches them, runs the command in a copy whose log can be followed, sends the output back and removes the copy", async () => {
    await using world = await openWorld();
    await world.startPerformer();
    const id = await world.daemon.submitOk("work", FILES);
    const { directory } = await running(world);
    await world.daemon.until(id, "running");
    const followed = await world.daemon.call("GET", `/api/job/${id}/stdout?follow=true`);
    const reader = followed.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("begun\n");
    await reader?.cancel();
    finish(directory);
    await expectResult(world, id);
    await eventually("the copies to go", () => world.leftovers().length === 0);
  });

  test.each(["fetching", "running", "sending"])(
    "that is killed goes on in its next life, and the command runs once: %s",
    async (phase) => {
      await using world = await openWorld();
      const { daemon, server } = world;
      const id = await daemon.submitOk("work", FILES);
      await daemon.until(id, "queued");
      if (phase === "fetching") server.freeze();
      const performer = await world.startPerformer();
      if (phase === "fetching") await eventually("the fetching", () => world.attempts().length > 0, 60_000);
      else {
        const { directory } = await running(world);
        if (phase === "sending") {
          server.freeze();
          finish(directory);
          await eventually("the end of the command", () => existsSync(join(directory, "returncode")));
        }
      }
      performer.child.kill("SIGKILL");
      await performer.ended();
      server.thaw();
      await world.startPerformer();
      if (phase !== "sending") finish((await running(world)).directory);
      await expectResult(world, id);
      expect(await daemon.text(`/api/job/${id}/files/starts`)).toBe("start\n");
      await eventually("the copies to go", () => world.leftovers().length === 0);
    },
  );

  test("leaves nothing of a job that was cancelled while its files were being fetched", async () => {
    await using world = await openWorld();
    const { daemon, server } = world;
    const id = await daemon.submitOk("work", FILES);
    await daemon.until(id, "queued");
    server.freeze();
    await world.startPerformer();
    await eventually("the fetching", () => world.attempts().length > 0, 60_000);
    expect((await daemon.call("POST", `/api/job/${id}/cancel`)).status).toBe(202);
    await eventually("the end of the attempt", () => world.attempts().length === 0);
    server.thaw();
    await daemon.until(id, "error");
    expect(await daemon.text(`/api/job/${id}/stderr`)).toContain("Cancelled by alice");
    await eventually("the copy of the daemon to go", () => world.leftovers().length === 0);
  });

  test("that was killed for too long removes what it had of a job that was lost with it", async () => {
    await using world = await openWorld(15);
    const { daemon } = world;
    const performer = await world.startPerformer();
    const lost = await daemon.submitOk("work", FILES);
    const { directory, pid } = await running(world);
    performer.child.kill("SIGKILL");
    await performer.ended();
    await daemon.until(lost, "error");
    expect(await daemon.text(`/api/job/${lost}/stderr`)).toContain("The performer was lost");
    await world.startPerformer();
    await eventually("the copy to go", () => !existsSync(directory) && world.leftovers().length === 0);
    expect(processTable().read(pid)).toBeUndefined();
  });

  test("waits with the end of a job until the storage of its output is back", async () => {
    await using world = await openWorld();
    const { daemon, server } = world;
    await world.startPerformer();
    const id = await daemon.submitOk("work", FILES);
    const { directory } = await running(world);
    await server.kill();
    finish(directory);
    await eventually("a try to send", () => existsSync(join(directory, "returncode")));
    await daemon.until(id, "running");
    await server.start();
    await expectResult(world, id);
  });
});
