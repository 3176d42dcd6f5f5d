import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { tempDir } from "../support/temp_dir.ts";

// Commands that start take seconds each on a busy machine.
setDefaultTimeout(180_000);

/** Nothing is connected until a job needs it. */
const CONFIG = `job_root_dir: jobs
applications: {wc: {command_template: wc}}
destinations:
  cluster:
    scheduler: {type: slurm, ssh_config: {hostname: login}}
    filesystem: {type: sftp, ssh_config: {hostname: login}}
`;

test("serve does not start with a faulty client file, and says where the fault is", async () => {
  using dir = tempDir();
  writeFileSync(join(dir.path, "config.yaml"), CONFIG);
  mkdirSync(join(dir.path, ".ssh"));
  writeFileSync(join(dir.path, ".ssh", "config"), "Host *\n  Port many\n");
  await using daemon = spawnDaemon(dir.path, { logName: "log" });
  expect(await daemon.ended()).toBe(1);
  expect(daemon.output()).toContain(
    `config.yaml: destinations.cluster: ${dir.path}/.ssh/config line 2: Bad port 'many'`,
  );
});

test("a reload reads the client file again, and takes over nothing when it is faulty", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const file = join(daemon.directory, ".ssh", "config");
  mkdirSync(join(daemon.directory, ".ssh"));
  const reload = async (text: string): Promise<string> => {
    writeFileSync(file, text);
    const before = daemon.log().length;
    process.kill(daemon.pid, "SIGHUP");
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await Bun.sleep(20)) {
      const said = daemon.log().slice(before);
      if (/The configuration was (taken over|refused)/.test(said)) return said;
    }
    throw new Error(`No word about the reload:\n${daemon.log()}`);
  };
  expect(await reload("Host login\n  Port 2222\n  BindAddress 10.0.0.1\n")).toContain("destinations: changed cluster");
  expect(daemon.log()).toContain(`${file}: BindAddress is not followed for login`);
  const refused = await reload("Host login\n  Prot 2222\n");
  expect(refused).toContain("was refused");
  expect(refused).toContain(`${file}: line 2: Bad configuration option: prot`);
  expect(await reload("Host login\n  Port 2222\n")).not.toContain("changed cluster");
  expect(await reload("")).toContain("changed cluster");
});

test("check-config looks at no client file, and with --probe tells what is wrong with one for each destination", async () => {
  using dir = tempDir();
  const file = join(dir.path, ".ssh", "config");
  mkdirSync(join(dir.path, ".ssh"));
  const config = (hosts: readonly string[]) => {
    const ssh = (host: string) => `{type: sftp, ssh_config: {hostname: ${host}}}`;
    const destinations = hosts.map((host) => `  ${host}: {scheduler: {type: slurm}, filesystem: ${ssh(host)}}\n`);
    return `applications: {wc: {command_template: wc}}\ndestinations:\n${destinations.join("")}`;
  };
  const check = async (...flags: readonly string[]) => {
    await using command = spawnDaemon(dir.path, { logName: "log", args: ["check-config", ...flags] });
    return { status: await command.ended(), said: command.output().split("\n") };
  };
  writeFileSync(join(dir.path, "config.yaml"), config(["command", "circle"]));
  writeFileSync(file, "Host command\n  ProxyCommand nc %h %p\nHost circle\n  ProxyJump circle\n");
  expect((await check()).status).toBe(0);
  const { status, said } = await check("--probe");
  expect(status).toBe(1);
  expect(said).toContain(
    `command: FAIL ${file} has a ProxyCommand for command, which is not supported: set proxy_jump to the host in between, or to none`,
  );
  expect(said).toContain('circle: FAIL ssh(1) refuses "circle": jumphost loop via circle');
  writeFileSync(file, "Port many\n");
  expect((await check("--probe")).said).toContain(`circle: FAIL ${file} line 1: Bad port 'many'.`);
});
