import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { sshCommandRunner } from "../../../adapters/command_runner/ssh.ts";
import type { SshConnection, SshSurroundings } from "../../../adapters/ssh/ssh_connection.ts";
import { sshPool } from "../../../adapters/ssh/ssh_pool.ts";
import type { SshConfig } from "../../../src/config/config.ts";
import { jumpConfig } from "../../../src/config/proxy_jump.ts";
import { BartenderError, CommandStartError } from "../../../src/core/errors.ts";
import { eventually } from "../../support/eventually.ts";
import { makeKey, type SshServer, sshAccount, sshServer } from "../../support/ssh_server.ts";
import { sshConnection, sshSurroundings } from "../../support/ssh_world.ts";

const account = sshAccount();
afterAll(() => account[Symbol.dispose]());

/** What a command says over a connection, or why it was not started. */
async function say(connection: SshConnection, line = "echo hello"): Promise<string> {
  const runner = sshCommandRunner({ connection, clock: systemClock() });
  const command = { program: "sh", args: ["-c", line], environment: {}, timeoutMs: 20_000, maxOutputBytes: 1_000 };
  const result = await runner.run(command, new AbortController().signal);
  return result.stdout.text;
}

async function logIn(config: SshConfig, changes: Partial<SshSurroundings> = {}): Promise<string> {
  using link = sshConnection(config, changes);
  return await say(link.connection).catch((error: unknown) => {
    expect(error).toBeInstanceOf(CommandStartError);
    expect(error).toMatchObject({ retryable: true });
    const { cause } = error as CommandStartError;
    return cause instanceof BartenderError ? `${cause.code}: ${cause.message}` : String(error);
  });
}

describe("logging in", () => {
  const keyless = (server: SshServer): SshConfig => ({ ...server.config, privateKeyFile: undefined });

  test("works with a key file, with and without a passphrase", async () => {
    await using server = await sshServer({ account });
    expect(await logIn(server.config)).toBe("hello\n");
    const locked = makeKey(server.path, "locked", "open sesame");
    appendFileSync(join(server.path, "authorized_keys"), readFileSync(`${locked}.pub`));
    expect(await logIn({ ...server.config, privateKeyFile: locked, passphrase: "open sesame" })).toBe("hello\n");
    const wrong = await logIn({ ...server.config, privateKeyFile: locked, passphrase: "open barley" });
    expect(wrong).toStartWith(`login_refused: Cannot use the private key ${locked} with this passphrase`);
    expect(wrong).not.toContain("barley");
    expect(await logIn({ ...server.config, privateKeyFile: locked })).toBe(
      `login_refused: The private key ${locked} is encrypted: set passphrase, or load it into an SSH agent`,
    );
  });

  test.skipIf(process.getuid?.() !== 0)(
    "works with a password, and says what to check when it is wrong, without showing it",
    async () => {
      await using server = await sshServer({ account });
      expect(await logIn({ ...keyless(server), password: account.password ?? "" })).toBe("hello\n");
      const fault = await logIn({ ...keyless(server), password: "not this one" });
      expect(fault).toBe(
        `login_refused: The SSH server refused to log in ${account.username}@127.0.0.1:${server.port} (tried password): check username, key and password`,
      );
    },
  );

  test("works with the keys of an agent", async () => {
    await using server = await sshServer({ account });
    const agentSocket = join(server.path, "agent");
    const agent = spawn("ssh-agent", ["-D", "-a", agentSocket], { stdio: "ignore" });
    await eventually("the agent", () => {
      try {
        execFileSync("ssh-add", ["-q", server.keyFile], { env: { SSH_AUTH_SOCK: agentSocket }, stdio: "pipe" });
        return true;
      } catch {
        return false;
      }
    });
    const sources = { homeDirectory: server.path, agentSocket };
    expect(await logIn(keyless(server), { sources })).toBe("hello\n");
    // With a password the agent is not asked.
    expect(await logIn({ ...keyless(server), password: "wrong" }, { sources })).toContain("login_refused");
    agent.kill();
  });

  test("works with the default key files of the service's user, as their login", async () => {
    await using server = await sshServer({ account });
    const sources = { homeDirectory: server.path, agentSocket: undefined };
    execFileSync("mkdir", [join(server.path, ".ssh")]);
    expect(await logIn(keyless(server), { sources })).toStartWith("login_refused: There is nothing to log in with");
    writeFileSync(join(server.path, ".ssh", "id_ed25519"), readFileSync(server.keyFile), { mode: 0o600 });
    const config = { ...keyless(server), username: undefined };
    expect(await logIn(config, { sources, serviceUser: () => account.username })).toBe("hello\n");
  });

  test("names a key file that is not there", async () => {
    await using server = await sshServer({ account });
    expect(await logIn({ ...server.config, privateKeyFile: "/nowhere/key" })).toStartWith(
      "login_refused: Cannot read the private key",
    );
  });
});

describe("host keys", () => {
  test("an unknown host is refused with the command that makes it known, and that command works", async () => {
    await using server = await sshServer({ account });
    const knownHostsFile = join(server.path, "none_yet");
    const config = { ...server.config, knownHostsFile };
    const fault = await logIn(config);
    const scan = `ssh-keyscan -p ${server.port} 127.0.0.1 >> ${knownHostsFile}`;
    expect(fault).toStartWith(`host_key_unknown: Host [127.0.0.1]:${server.port} showed a ssh-ed25519 key`);
    expect(fault).toEndWith(`then run: ${scan}`);
    execFileSync("sh", ["-c", scan], { stdio: "pipe" });
    expect(await logIn(config)).toBe("hello\n");
    execFileSync("ssh-keygen", ["-H", "-f", knownHostsFile], { stdio: "pipe" });
    expect(await logIn(config)).toBe("hello\n");
  });

  test("a changed key is refused with the line that disagrees", async () => {
    await using server = await sshServer({ account });
    const other = readFileSync(`${makeKey(server.path, "other")}.pub`, "utf8").split(" ")[1];
    writeFileSync(server.knownHostsFile, `# first line\n[127.0.0.1]:${server.port} ssh-ed25519 ${other}\n`);
    const fault = await logIn(server.config);
    expect(fault).toStartWith("host_key_changed: Host [127.0.0.1]:");
    expect(fault).toContain(`line 2 of ${server.knownHostsFile}`);
    expect(fault).toContain("ssh-keygen -R");
  });

  test("a host is asked for the type of key that is on record", async () => {
    await using server = await sshServer({ account, settings: [] });
    const rsa = join(server.path, "rsa");
    execFileSync("ssh-keygen", ["-q", "-t", "rsa", "-N", "", "-f", rsa], { stdio: "pipe" });
    appendFileSync(join(server.path, "sshd_config"), `HostKey ${rsa}\n`);
    await server.kill();
    await server.start();
    const key = readFileSync(`${rsa}.pub`, "utf8").split(" ")[1];
    writeFileSync(server.knownHostsFile, `[127.0.0.1]:${server.port} ssh-rsa ${key}\n`);
    expect(await logIn(server.config)).toBe("hello\n");
  });

  test("a revoked key is refused, and a certificate authority is told apart", async () => {
    await using server = await sshServer({ account });
    const [line = ""] = readFileSync(server.knownHostsFile, "utf8").split("\n");
    writeFileSync(server.knownHostsFile, `${line}\n@revoked ${line}\n`);
    expect(await logIn(server.config)).toStartWith("host_key_revoked: ");
    writeFileSync(server.knownHostsFile, `@cert-authority ${line}\n`);
    expect(await logIn(server.config)).toContain("Host certificates (@cert-authority) are not supported");
  });

  test("are not looked at when the configuration says so, with a warning", async () => {
    await using server = await sshServer({ account });
    const surroundings = sshSurroundings();
    const config = { ...server.config, knownHostsFile: "/nowhere", isHostKeyChecked: false };
    const lease = sshPool(surroundings).lease(config);
    expect(await say(lease.connection)).toBe("hello\n");
    lease.close();
    expect(surroundings.logger.lines[0]).toMatchObject({ level: "warn" });
    expect(surroundings.logger.lines[0]?.message).toStartWith("host_key_checking is off");
  });
});

describe("the connection", () => {
  test("is shared by all that use the same account, and closed with its last user", async () => {
    await using server = await sshServer({ account });
    const pool = sshPool(sshSurroundings());
    const [one, two] = [pool.lease(server.config), pool.lease({ ...server.config })];
    expect(one.connection).toBe(two.connection);
    await Promise.all([say(one.connection), say(two.connection)]);
    expect(connectionsIn(server)).toBe(1);
    one.close();
    one.close();
    expect(await say(two.connection)).toBe("hello\n");
    two.close();
    await expect(say(two.connection)).rejects.toThrow("was closed");
    await eventually("the session to end", () => server.sessions().length === 0);
    const again = pool.lease(server.config);
    expect(await say(again.connection)).toBe("hello\n");
    again.close();
  });

  test("does not hammer a host that is down, and comes back by itself", async () => {
    await using server = await sshServer({ account });
    await server.kill();
    let calls = 0;
    const gate = createServer((socket) => {
      calls += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => gate.listen(server.port, "127.0.0.1", resolve));
    using link = sshConnection(server.config);
    for (let ask = 0; ask < 50; ask++) {
      await expect(say(link.connection)).rejects.toThrow("Cannot connect to");
    }
    expect(calls).toBeLessThan(4);
    await new Promise((resolve) => gate.close(resolve));
    await server.start();
    await eventually("the host to be reached", () => say(link.connection).catch(() => undefined));
  });

  test("reaches a host through another one", async () => {
    await using server = await sshServer({ account });
    await using inner = await sshServer({ account });
    // One file knows both, and the key of the inner one is let in by both.
    appendFileSync(inner.knownHostsFile, readFileSync(server.knownHostsFile));
    writeFileSync(join(server.path, "authorized_keys"), readFileSync(`${inner.keyFile}.pub`));
    const pool = sshPool(sshSurroundings());
    const proxyJump = jumpConfig(inner.config, { username: undefined, hostname: "127.0.0.1", port: server.port });
    const lease = pool.lease({ ...inner.config, proxyJump });
    expect(await say(lease.connection, 'echo "$SSH_CONNECTION"')).toEndWith(` ${inner.port}\n`);
    expect(connectionsIn(server)).toBe(1);
    await server.kill();
    await expect(say(lease.connection)).rejects.toThrow();
    await server.start();
    await eventually("the way to be open again", () => say(lease.connection).catch(() => undefined));
    lease.close();
    writeFileSync(inner.knownHostsFile, readFileSync(server.knownHostsFile));
    const unknown = pool.lease({ ...inner.config, proxyJump });
    const scan = `ssh-keyscan -p ${inner.port} 127.0.0.1 >> ${inner.knownHostsFile}`;
    const jump = `ssh -p ${server.port} ${account.username}@127.0.0.1`;
    await expect(say(unknown.connection)).rejects.toThrow(`${jump} ${scan}`);
    unknown.close();
  });

  test("gives up on a host that does not say a word", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using server = await sshServer({ account });
    const times = { connectTimeoutMs: 300, keepAliveMs: 1_000, keepAliveCount: 3 };
    expect(await logIn({ ...server.config, port }, { times })).toEndWith("no answer within 0.3 seconds");
    silent.close();
  });

  test("is not kept from commands by transfers", async () => {
    await using server = await sshServer({ account });
    using link = sshConnection(server.config);
    const signal = new AbortController().signal;
    const sessions = Array.from({ length: 6 }, () => link.connection.sftp("transfer", signal));
    await Promise.all(sessions.slice(0, 3));
    expect(await say(link.connection)).toBe("hello\n");
    for (const session of sessions) (await session).close();
    expect(await say(link.connection)).toBe("hello\n");
  });
});

/** How many connections of the server are logged in: each has one process with the rights of the server. */
function connectionsIn(server: SshServer): number {
  const names = server.sessions().map((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  return names.filter((name) => /^sshd: \S+ \[priv\]/.test(name)).length;
}
