import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { builtProgram } from "../support/built_program.ts";
import { privateHome } from "../support/private_home.ts";
import { startSlurmCluster } from "../support/slurm_cluster.ts";
import { freePort, sshAccount, sshServer, withOtherKeys } from "../support/ssh_server.ts";
import { tempDir } from "../support/temp_dir.ts";

setDefaultTimeout(120_000);

const MAIN = builtProgram(resolve(import.meta.dir, "../../src/main.ts"));
const cluster = await startSlurmCluster();
const account = sshAccount();
const server = await sshServer({ account, settings: [`SetEnv SLURM_CONF=${cluster.environment.SLURM_CONF}`] });
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
  account[Symbol.dispose]();
});

interface Changes {
  readonly scheduler?: string;
  readonly ssh?: string;
  readonly entry?: string;
  readonly port?: number;
  /** The whole of `ssh_config`, in the place of the three before it. */
  readonly wholeSsh?: string;
  /** Text of `~/.ssh/config`. */
  readonly clientFile?: string;
}

let probes = 0;

/** Runs `bartender check-config --probe` on a cluster and a machine of its own. */
async function probe({
  scheduler = "partition: wide",
  ssh = "",
  entry = join(server.entry, String(++probes)),
  port = server.port,
  wholeSsh,
  clientFile,
}: Changes = {}) {
  using dir = tempDir();
  mkdirSync(join(dir.path, ".ssh"));
  if (clientFile !== undefined) writeFileSync(join(dir.path, ".ssh", "config"), clientFile);
  const login = ssh === "" ? `private_key: ${server.keyFile}, known_hosts: ${server.knownHostsFile}` : ssh;
  const config = wholeSsh ?? `{hostname: 127.0.0.1, port: ${port}, username: ${account.username}, ${login}}`;
  writeFileSync(
    join(dir.path, "config.yaml"),
    `job_root_dir: jobs
applications: {wc: {command_template: wc}}
destinations:
  cluster:
    scheduler: {type: slurm, ${scheduler}, ssh_config: ${config}}
    filesystem: {type: sftp, entry: ${entry}, ssh_config: ${config}}
  here:
    scheduler: {type: memory}
    filesystem: {type: local}
`,
  );
  const { status, stdout } = await new Promise<{ status: number; stdout: string }>((done) => {
    const env = { ...process.env, ...privateHome(dir.path) };
    const args = ["--no-env-file", MAIN, "check-config", "--probe"];
    execFile(process.execPath, args, { cwd: dir.path, env }, (error, out) => {
      done({ status: typeof error?.code === "number" ? error.code : 0, stdout: out });
    });
  });
  expect(existsSync(join(dir.path, "jobs"))).toBe(false);
  return { status, home: dir.path, lines: stdout.split("\n").filter((line) => /: (ok {2}|FAIL) /.test(line)) };
}

test.concurrent("a cluster that works passes, and nothing stays there", async () => {
  const entry = join(server.entry, "whole");
  const { status, lines } = await probe({ entry });
  expect(lines).toEqual([
    `cluster: ok   A file came back whole from ${entry}`,
    "cluster: ok   Slurm answers, with the partitions main, wide",
    "cluster: ok   Slurm would take a job with the configured options",
    `cluster: ok   Records can be written to ${entry}/.bartender/attempts`,
    "cluster: ok   Slurm keeps no accounts; the records that jobs write are the last witness of their end",
    expect.stringMatching(/^here: ok {3}The job root \S+\/jobs can be written, \d+ GB are free$/),
  ]);
  expect(status).toBe(0);
  expect(readdirSync(entry).filter((name) => name !== ".bartender")).toEqual([]);
  expect(readdirSync(join(entry, ".bartender", "attempts"))).toEqual([]);
  expect(cluster.command("squeue", "-h", "-t", "all")).toBe("");
});

const CLIENT_FILE = `Host login
  HostName 127.0.0.1
  Port ${server.port}
  User ${account.username}
  IdentityFile ${server.keyFile}
  UserKnownHostsFile ${server.knownHostsFile}
`;

test.concurrent("a cluster that only the client file of OpenSSH knows passes, and its values are told", async () => {
  const entry = join(server.entry, "named");
  const { status, lines, home } = await probe({ entry, wholeSsh: "{hostname: login}", clientFile: CLIENT_FILE });
  expect(lines.slice(0, 2)).toEqual([
    `cluster: ok   ${home}/.ssh/config for login: HostName 127.0.0.1, Port ${server.port}, User ${account.username}, IdentityFile ${server.keyFile}, UserKnownHostsFile ${server.knownHostsFile}`,
    `cluster: ok   A file came back whole from ${entry}`,
  ]);
  expect(status).toBe(0);
});

test.concurrent("a partition that is not there is told with those that are", async () => {
  const { status, lines } = await probe({ scheduler: "partition: fast" });
  expect(lines).toContain('cluster: FAIL Slurm: there is no partition "fast"; there are main, wide');
  expect(status).toBe(1);
});

test.concurrent("options that Slurm refuses are told in its words", async () => {
  const { status, lines } = await probe({ scheduler: "partition: wide, extra_options: [--no-such-option]" });
  expect(lines.find((line) => line.startsWith("cluster: FAIL Slurm would not take a job: "))).toMatch(
    /unrecognized option/,
  );
  expect(status).toBe(1);
});

test.concurrent("an unknown host key is told with what to do", async () => {
  using other = tempDir();
  const empty = join(other.path, "known_hosts");
  writeFileSync(empty, "");
  const { status, lines } = await probe({ ssh: `private_key: ${server.keyFile}, known_hosts: ${empty}` });
  expect(lines[0]).toMatch(/^cluster: FAIL .*ssh-keyscan/);
  expect(status).toBe(1);
});

test.concurrent("an entry directory that cannot be written is told", async () => {
  using other = tempDir();
  chmodSync(other.path, 0o755);
  const closed = join(other.path, "closed");
  mkdirSync(closed, { mode: 0o755 });
  const { status, lines } = await probe({ entry: closed });
  expect(lines[0]).toMatch(/^cluster: FAIL .*[Pp]ermission denied/);
  expect(lines.filter((line) => line.includes("FAIL")).length).toBe(2);
  expect(status).toBe(1);
});

test.concurrent("an entry directory that is not there is made, with those above it, and taken away again", async () => {
  const entry = join(server.entry, "not", "yet");
  const { status, lines } = await probe({ entry });
  expect(status).toBe(0);
  expect(lines[0]).toBe(`cluster: ok   A file came back whole from ${entry}`);
});

test.concurrent("a changed host key is told with the line that disagrees", async () => {
  using dir = tempDir();
  const path = join(dir.path, "known_hosts");
  writeFileSync(path, withOtherKeys(readFileSync(server.knownHostsFile, "utf8")));
  const { status, lines } = await probe({ ssh: `private_key: ${server.keyFile}, known_hosts: ${path}` });
  expect(status).toBe(1);
  expect(lines.join("\n")).toMatch(/cluster: FAIL .*showed another ssh-ed25519 key than line 1 of /);
});

test.concurrent("a wrong password is told without showing it", async () => {
  const { status, lines } = await probe({ ssh: `password: not this one, known_hosts: ${server.knownHostsFile}` });
  expect(status).toBe(1);
  const text = lines.join("\n");
  expect(text).toMatch(/cluster: FAIL .*refused to log in .*\(tried password\): check username, key and password/);
  expect(text).not.toContain("not this one");
});

test.concurrent("a host that is down is told", async () => {
  const port = await freePort();
  const login = `private_key: ${server.keyFile}, known_hosts: ${server.knownHostsFile}`;
  const { status, lines } = await probe({ ssh: login, port });
  expect(status).toBe(1);
  expect(lines.join("\n")).toMatch(/cluster: FAIL .*Cannot connect to .*ECONNREFUSED/);
});
