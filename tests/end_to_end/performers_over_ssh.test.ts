import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DaemonProcess, type SpawnedCommand, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { sshAccount, sshServer } from "../support/ssh_server.ts";

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

/** By the size of the input, as in the documentation. */
const PICKER = `import { statSync } from "node:fs";
export function pick(jobDir) {
  const { size } = statSync(jobDir + "/some.txt");
  return size < 100 ? "small" : size > 10_000 ? "large" : "medium";
}
`;

test("three sizes on one Redis: each job goes to the performer of its size; that on the machine to which the daemon copies jobs works in those copies, and its logs can be followed", async () => {
  await using server = await sshServer({ account });
  const { hostname, port, username, privateKeyFile, knownHostsFile } = server.config;
  const login = `{hostname: ${hostname}, port: ${port}, username: ${username}, private_key: ${privateKeyFile}, known_hosts: ${knownHostsFile}}`;
  await using daemon = await startDaemon({
    files: { "by_size.js": PICKER },
    config: `job_root_dir: jobs
destination_picker: ./by_size.js:pick
applications:
  count:
    command_template: echo begun; until [ -e go ]; do sleep 0.05; done; wc -w <some.txt >result.txt
destinations:
  small:
    scheduler: {type: arq, redis_dsn: "${redis.dsn}", max_jobs: 10, job_timeout: PT5M}
    filesystem: {type: local}
  medium:
    scheduler: {type: arq, redis_dsn: "${redis.dsn}", queue: medium, max_jobs: 1, job_timeout: PT2H}
    filesystem: {type: local}
  large:
    scheduler: {type: arq, redis_dsn: "${redis.dsn}", queue: large, max_jobs: 2, job_timeout: PT12H}
    filesystem: {type: sftp, entry: ${server.entry}, ssh_config: ${login}}
`,
  });
  await using small = spawnPerformer(daemon, "small");
  await using medium = spawnPerformer(daemon, "medium");
  await using large = spawnPerformer(daemon, "large");
  for (const [name, { output }] of Object.entries({ small, medium, large })) {
    await eventually("the performer", () => output().includes(`Worker running for '${name}' destination`), 120_000);
  }
  const sizes = { small: 1, medium: 100, large: 10_000 };
  const ids = new Map<string, number>();
  for (const [name, words] of Object.entries(sizes)) {
    ids.set(name, await daemon.submitOk("count", { "some.txt": "word ".repeat(words) }));
  }
  const id = ids.get("large") ?? 0;
  const places = [...ids].map(([name, number]) =>
    join(name === "large" ? server.entry : join(daemon.directory, "jobs"), String(number)),
  );
  for (const place of places) await eventually("the command", () => existsSync(join(place, "stdout.txt")));
  for (const [name, number] of ids) {
    await daemon.until(number, "running");
    expect(await (await daemon.call("GET", `/api/job/${number}`)).json()).toMatchObject({ destination: name });
  }
  const followed = await daemon.call("GET", `/api/job/${id}/stdout?follow=true`);
  const reader = followed.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("begun\n");
  await reader?.cancel();
  for (const place of places) writeFileSync(join(place, "go"), "");
  for (const [name, number] of ids) {
    await daemon.until(number, "ok");
    expect(await daemon.text(`/api/job/${number}/files/result.txt`)).toBe(`${sizes[name as keyof typeof sizes]}\n`);
    expect(await daemon.text(`/api/job/${number}/stdout`)).toBe("begun\n");
  }
  await eventually("the copy to go", () => readdirSync(server.entry).every((name) => name === ".bartender"));
});

function spawnPerformer({ directory }: DaemonProcess, name: string): SpawnedCommand {
  return spawnDaemon(directory, { logName: `${name}.log`, args: ["perform", "--destination", name] });
}
