import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { sshCommandRunner } from "../../../adapters/command_runner/ssh.ts";
import type { SshConnection } from "../../../adapters/ssh/ssh_connection.ts";
import { sshPool } from "../../../adapters/ssh/ssh_pool.ts";
import type { SshConfig } from "../../../src/config/config.ts";
import { type ClientFilesWorld, clientFilesWorld } from "../../support/client_files.ts";
import { eventually } from "../../support/eventually.ts";
import { makeKey, type SshAccount, type SshServer, sshAccount, sshServer } from "../../support/ssh_server.ts";
import { PATIENT, sshSurroundings } from "../../support/ssh_world.ts";

let account: SshAccount;
let server: SshServer;

beforeAll(async () => {
  account = sshAccount();
  server = await sshServer({ account });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  account[Symbol.dispose]();
});

/** What a command says over a connection. */
async function say(connection: SshConnection, line = "echo hello"): Promise<string> {
  const runner = sshCommandRunner({ connection, clock: systemClock() });
  const command = { program: "sh", args: ["-c", line], environment: {}, timeoutMs: 20_000, maxOutputBytes: 1_000 };
  return (await runner.run(command, new AbortController().signal)).stdout.text;
}

/** Logs in as the client file of a world says. @returns what a command said, or why there was none */
async function logIn(world: ClientFilesWorld, config: Partial<SshConfig>, line?: string, agentSocket?: string) {
  const sources = { homeDirectory: world.path, agentSocket };
  const pool = sshPool({ ...sshSurroundings({ ...PATIENT, sources }) });
  const lease = pool.lease((await world.follow(config)).config);
  try {
    return await say(lease.connection, line).catch((error: unknown) => String((error as Error).cause ?? error));
  } finally {
    lease.close();
  }
}

const section = (of: SshServer = server): string => `  HostName 127.0.0.1
  Port ${of.port}
  User ${of.account.username}
  IdentityFile ${of.keyFile}
  UserKnownHostsFile ${of.knownHostsFile}
`;

test("a name in the client file is all that is needed to log in", async () => {
  using world = clientFilesWorld();
  writeFileSync(join(world.path, "hosts"), `Match originalhost cluster\n${section()}`);
  world.write(`Include ${world.path}/hosts\n`);
  expect(await logIn(world, { hostname: "cluster" })).toBe("hello\n");
  expect(await logIn(world, { hostname: "clusters" })).toContain("There is nothing to log in with");
});

test("what our own configuration names is what counts", async () => {
  using world = clientFilesWorld();
  world.write(
    `Host cluster\n${section()
      .replace(/Port .*/, "Port 1")
      .replace(/User .*/, "User nobody-at-all")}`,
  );
  expect(await logIn(world, { hostname: "cluster", port: server.port, username: account.username })).toBe("hello\n");
  const other = makeKey(world.path, "other");
  const own = { hostname: "cluster", port: server.port, username: account.username };
  expect(await logIn(world, { ...own, privateKeyFile: other })).toContain(`tried key ${other}`);
  const empty = join(world.path, "known_hosts");
  writeFileSync(empty, "");
  expect(await logIn(world, { ...own, knownHostsFile: empty })).toContain(`that is not in ${empty}`);
});

test("host keys are on record under HostKeyAlias, in any of several files", async () => {
  using world = clientFilesWorld();
  const [first, second] = ["first", "second"].map((name) => join(world.path, name));
  const text = section().replace(/UserKnownHostsFile .*/, `UserKnownHostsFile ${first} ${second}`);
  world.write(`Host cluster\n${text}  HostKeyAlias some-cluster\n`);
  const fault = await logIn(world, { hostname: "cluster" });
  expect(fault).toContain(`Host some-cluster showed a ssh-ed25519 key that is not in ${first}.`);
  // The command of the message works, and the name is that of the record.
  execFileSync("sh", ["-c", /then run: (.*)$/.exec(fault)?.[1] ?? "exit 1"], { stdio: "pipe" });
  expect(readFileSync(first ?? "", "utf8")).toMatch(/^some-cluster ssh-ed25519 /m);
  expect(await logIn(world, { hostname: "cluster" })).toBe("hello\n");
  writeFileSync(first ?? "", "");
  copyFileSync(server.knownHostsFile, second ?? "");
  expect(await logIn(world, { hostname: "cluster" })).toContain(`is not in ${first} or ${second}`);
  writeFileSync(second ?? "", readFileSync(server.knownHostsFile, "utf8").replace(/^\S+/, "some-cluster"));
  expect(await logIn(world, { hostname: "cluster" })).toBe("hello\n");
});

test("a client file cannot switch the check of host keys off", async () => {
  using world = clientFilesWorld();
  const trusting = section().replace(
    /UserKnownHostsFile .*/,
    "UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile none",
  );
  world.write(`Host cluster\n${trusting}  StrictHostKeyChecking no\n`);
  expect(await logIn(world, { hostname: "cluster" })).toContain("leaves no UserKnownHostsFile for 127.0.0.1");
  expect(await logIn(world, { hostname: "cluster", isHostKeyChecked: false })).toBe("hello\n");
});

test("a host in between has its own port, key, and name", async () => {
  await using gate = await sshServer({ account });
  using world = clientFilesWorld();
  world.write(`Host inner\n${section()}  ProxyJump gate\nHost gate\n${section(gate)}`);
  expect(await logIn(world, { hostname: "inner" }, 'echo "$SSH_CONNECTION"')).toEndWith(` ${server.port}\n`);
  await gate.kill();
  expect(await logIn(world, { hostname: "inner" })).toContain(
    `Cannot connect to ${account.username}@127.0.0.1:${gate.port}`,
  );
  expect(await logIn(world, { hostname: "inner", proxyJump: "none" })).toBe("hello\n");
  await gate.start();
  // A key of our own is tried there, too, but it is that of the client file that opens this one.
  expect(await logIn(world, { hostname: "inner", privateKeyFile: server.keyFile })).toBe("hello\n");
});

test("one account on one host has one connection, by whatever name it is called", async () => {
  using world = clientFilesWorld();
  const login = `  User ${account.username}\n  IdentityFile ${server.keyFile}\n  UserKnownHostsFile ${server.knownHostsFile}\n`;
  world.write(`Host one two\n  HostName 127.0.0.1\n  Port ${server.port}\nHost *\n${login}`);
  const pool = sshPool(sshSurroundings(PATIENT));
  const names = [{ hostname: "one" }, { hostname: "two" }, { hostname: "127.0.0.1", port: server.port }];
  const leases = await Promise.all(names.map(async (name) => pool.lease((await world.follow(name)).config)));
  expect(new Set(leases.map(({ connection }) => connection)).size).toBe(1);
  const other = pool.lease((await world.follow({ hostname: "one", username: "other" })).config);
  expect(other.connection).not.toBe(leases[0]?.connection);
  for (const lease of [...leases, other]) lease.close();
});

test("of the keys of an agent those in the client file come first, and alone with IdentitiesOnly", async () => {
  await using strict = await sshServer({ account, settings: ["MaxAuthTries 2"] });
  using world = clientFilesWorld();
  const agentSocket = join(world.path, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", agentSocket], { stdio: "ignore" });
  try {
    const keys = ["a", "b", "c", "d"].map((name) => makeKey(world.path, name));
    const add = (): boolean => {
      try {
        execFileSync("ssh-add", ["-q", ...keys], { env: { SSH_AUTH_SOCK: agentSocket }, stdio: "pipe" });
        return true;
      } catch {
        return false;
      }
    };
    await eventually("the agent", add);
    const last = keys.at(-1) ?? "";
    appendFileSync(join(strict.path, "authorized_keys"), readFileSync(`${last}.pub`));
    // The key itself is only with the agent.
    const chosen = section(strict).replace(/IdentityFile .*/, `IdentityFile ${last}.pub`);
    const unchosen = section(strict).replace(/ +IdentityFile .*\n/, "");
    world.write(
      `Host many\n${unchosen}Host one\n${chosen}Host only\n${chosen.replace(last, keys[0] ?? "")}  IdentitiesOnly yes\n`,
    );
    const by = (hostname: string) => logIn(world, { hostname }, undefined, agentSocket);
    expect(await by("many")).toContain("Too many authentication failures");
    expect(await by("one")).toBe("hello\n");
    expect(await by("only")).toContain("refused to log in");
    world.write(`Host one\n${chosen}  IdentityAgent none\n`);
    expect(await by("one")).toContain(`There is nothing to log in with`);
    world.write(`Host one\n${chosen}  IdentityAgent ${agentSocket}\n  IdentitiesOnly yes\n`);
    expect(await logIn(world, { hostname: "one" })).toBe("hello\n");
  } finally {
    agent.kill();
  }
});
