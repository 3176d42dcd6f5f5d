import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runConsole } from "../support/console_process.ts";
import { type DaemonProcess, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { DIRAC_NAMES, type DiracServer, sharedDiracServer } from "../support/dirac_server.ts";
import { eventually } from "../support/eventually.ts";
import { GRID_PATIENCE_MS } from "../support/grid_daemon.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";

// Real processes on a busy machine; each command of DIRAC takes seconds.
setDefaultTimeout(2 * GRID_PATIENCE_MS);

let redis: RedisServer;
let dirac: DiracServer;

beforeAll(async () => {
  [redis, dirac] = await Promise.all([startRedis(), sharedDiracServer()]);
});

afterAll(async () => {
  await dirac.repair();
  await redis[Symbol.asyncDispose]();
});

/** A daemon whose jobs have their files on the grid and run by performers. */
async function daemonOn(root: string, key: string): Promise<DaemonProcess> {
  const { cert } = dirac.certificates.user;
  return await startDaemon({
    env: dirac.environment,
    config: `job_root_dir: jobs
applications:
  count:
    command_template: sh -c 'wc -w <some.txt >result.txt; echo changed >>some.txt; echo done; exit \${STATUS:-0}'
  fail:
    command_template: echo failing; echo partial >partial.txt; exit 3
destinations:
  grid:
    scheduler: {type: arq, redis_dsn: "${redis.dsn}", queue: ${root}}
    filesystem:
      type: dirac
      lfn_root: ${DIRAC_NAMES.lfnRoot}/${root}
      storage_element: ${DIRAC_NAMES.storageElement}
      proxy: {cert: ${cert}, key: ${key}, group: ${DIRAC_NAMES.group}}
`,
  });
}

/** Follows a job, whose every step takes seconds. */
async function until(daemon: DaemonProcess, id: number, state: string): Promise<void> {
  let seen = "";
  await eventually(
    `job ${id} to be ${state}`,
    async () => {
      ({ state: seen } = await daemon.job(id));
      return (
        seen === state ||
        (seen === "ok" || seen === "error" ? Promise.reject(new Error(JSON.stringify(await daemon.job(id)))) : false)
      );
    },
    GRID_PATIENCE_MS,
  );
}

test("a performer fetches the input of its job from grid storage and stores the output, each side with a proxy that it makes itself", async () => {
  const root = `performers-${process.pid}`;
  await using daemon = await daemonOn(root, dirac.certificates.user.key);
  await using performer = spawnDaemon(daemon.directory, {
    logName: "performer.log",
    args: ["perform", "--destination", "grid"],
    env: dirac.environment,
  });
  const isReady = () => performer.output().includes("Worker running for 'grid'");
  await eventually("the performer", isReady, GRID_PATIENCE_MS);
  const good = await daemon.submitOk("count", { "some.txt": "three words here" });
  const bad = await daemon.submitOk("fail", { "some.txt": "x" });
  await until(daemon, good, "ok");
  expect(await daemon.text(`/api/job/${good}/files/result.txt`)).toBe("3\n");
  expect(await daemon.text(`/api/job/${good}/files/some.txt`)).toBe("three words herechanged\n");
  expect(await daemon.text(`/api/job/${good}/stdout`)).toBe("done\n");
  await until(daemon, bad, "error");
  expect(await daemon.text(`/api/job/${bad}/files/partial.txt`)).toBe("partial\n");
  expect(await daemon.text(`/api/job/${bad}/stdout`)).toBe("failing\n");
  const storage = join(dirac.storageDirectory, DIRAC_NAMES.lfnRoot, root);
  const left = (): readonly string[] =>
    (existsSync(storage) ? readdirSync(storage, { recursive: true }) : []).map(String);
  await eventually(
    "the files on the grid to go",
    () => left().every((path) => !path.endsWith(".tar")),
    GRID_PATIENCE_MS,
  );
  const copies = join(daemon.directory, "jobs", ".bartender", "copies");
  await eventually(
    "the working copies to go",
    () => readdirSync(copies, { recursive: true, encoding: "utf8" }).every((path) => !path.includes("files")),
    GRID_PATIENCE_MS,
  );
});

test("while no proxy can be made a job waits, its user and the administrator are told why, and it goes on by itself", async () => {
  const root = `proxies-${process.pid}`;
  const key = join(dirac.directory, `key-${process.pid}.pem`);
  await using daemon = await daemonOn(root, key);
  const id = await daemon.submitOk("count", { "some.txt": "two words" });
  const seen = async () =>
    (await (await daemon.call("GET", `/api/job/${id}`)).json()) as { state: string; reason?: string };
  await eventually(
    "the reason",
    async () => (await seen()).reason?.includes("cannot be read. Correct proxy.cert") === true,
    GRID_PATIENCE_MS,
  );
  expect((await seen()).state).toBe("new");
  const { text: status } = await runConsole(daemon, "status");
  expect(status).toMatch(/^grid +open +degraded/m);
  expect(status).toMatch(/grid: its DIRAC proxy has not been usable for .*cannot be read\. Correct proxy\.cert/);
  expect((await runConsole(daemon, "why", String(id))).text).toContain("Its proxy has not been usable");
  writeFileSync(`${key}.part`, await Bun.file(dirac.certificates.user.key).text(), { mode: 0o400 });
  renameSync(`${key}.part`, key);
  await using performer = spawnDaemon(daemon.directory, {
    logName: "performer.log",
    args: ["perform", "--destination", "grid"],
    env: dirac.environment,
  });
  await until(daemon, id, "ok");
  expect(performer.output()).toContain("Worker running for 'grid'");
  expect(await daemon.text(`/api/job/${id}/files/result.txt`)).toBe("2\n");
});
