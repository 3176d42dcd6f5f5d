import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { processTable } from "../../adapters/scheduler/process_table.ts";
import type { SshConfig } from "../../src/config/config.ts";
import { eventually } from "./eventually.ts";
import { lastingPort } from "./lasting_port.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

/** An account to log in to. Made for the tests when they run as root, else the one that runs them. */
export interface SshAccount extends Disposable {
  readonly username: string;
  /** Undefined where no account could be made: keys only. */
  readonly password: string | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface SshServerOptions {
  readonly account: SshAccount;
  /** Further lines of `sshd_config(5)`. */
  readonly settings?: readonly string[];
}

/** An SSH server of the test's own. */
export interface SshServer extends AsyncDisposable {
  readonly port: number;
  readonly account: SshAccount;
  /** Below a temporary directory; belongs to the account. */
  readonly entry: string;
  /** Private key that is let in. */
  readonly keyFile: string;
  /** Has the key of the host. */
  readonly knownHostsFile: string;
  /** Lets in by key, with the host key on record. */
  readonly config: SshConfig;
  /** Private directory for files of the test. */
  readonly path: string;
  /** Ends the server and all its sessions at once. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Ends the sessions with their commands, not the server. */
  killSessions(): void;
  /** Ends the links, and leaves the commands of their sessions running, as a network that breaks does. */
  killLinks(): void;
  /** Stops everything without ending it, as a host that hangs. */
  freeze(): void;
  thaw(): void;
  /** Processes of all sessions, without the server itself. */
  sessions(): readonly number[];
}

const table = processTable();
let accounts = 0;

/** Makes an account with a home directory of its own; `using` removes both. */
export function sshAccount(shell = "/bin/bash"): SshAccount {
  if (process.getuid?.() !== 0) {
    const { username, uid, gid, homedir } = userInfo();
    return { username, password: undefined, uid, gid, home: homedir, [Symbol.dispose]: () => undefined };
  }
  accounts += 1;
  const username = `bt${process.pid.toString(36)}${accounts}`;
  const password = `pw ${username}`;
  const directory = tempDir();
  const home = join(directory.path, "home");
  chmodSync(directory.path, 0o755);
  execFileSync("useradd", ["-m", "-d", home, "-s", shell, username], { stdio: "pipe" });
  execFileSync("chpasswd", { input: `${username}:${password}\n`, stdio: "pipe" });
  const id = (flag: string): number => Number(execFileSync("id", [flag, username], { encoding: "utf8" }));
  return {
    username,
    password,
    uid: id("-u"),
    gid: id("-g"),
    home,
    [Symbol.dispose]() {
      execFileSync("userdel", ["-f", username], { stdio: "pipe" });
      directory[Symbol.dispose]();
    },
  };
}

/** Starts a server on a free port of 127.0.0.1. */
export async function sshServer(options: SshServerOptions): Promise<SshServer> {
  const directory = tempDir();
  const path = directory.path;
  const { account } = options;
  chmodSync(path, 0o755);
  const port = await lastingPort();
  const hostKey = makeKey(path, "host_key");
  const keyFile = makeKey(path, "key");
  const entry = join(path, "entry");
  mkdirSync(entry);
  chownSync(entry, account.uid, account.gid);
  const authorized = join(path, "authorized_keys");
  writeFileSync(authorized, readFileSync(`${keyFile}.pub`));
  const knownHostsFile = join(path, "known_hosts");
  const [type, key] = readFileSync(`${hostKey}.pub`, "utf8").split(" ");
  writeFileSync(knownHostsFile, `[127.0.0.1]:${port} ${type} ${key}\n`);
  const configFile = join(path, "sshd_config");
  writeFileSync(configFile, `${settings(path, port, options).join("\n")}\n`);
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });

  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const log = join(path, "log");
    server = spawn("/usr/sbin/sshd", ["-D", "-f", configFile, "-E", log], { stdio: "ignore" });
    await eventually("sshd to listen", () => existsSync(join(path, "pid")) && canConnect(port));
  };
  const sessions = (): readonly number[] => (server?.pid === undefined ? [] : descendants(server.pid));
  const signalAll = (pids: readonly number[], signal: NodeJS.Signals): void => {
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch {
        // Ended by itself.
      }
    }
  };
  const kill = async (): Promise<void> => {
    const running = server;
    if (running?.pid === undefined) return;
    server = undefined;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    signalAll([running.pid, ...descendants(running.pid)], "SIGKILL");
    await ended;
  };
  await start();
  return {
    port,
    account,
    entry,
    keyFile,
    knownHostsFile,
    path,
    config: {
      hostname: "127.0.0.1",
      port,
      username: account.username,
      password: undefined,
      privateKeyFile: keyFile,
      passphrase: undefined,
      knownHostsFile,
      isHostKeyChecked: true,
      proxyJump: undefined,
    },
    kill,
    start,
    sessions,
    killLinks: () =>
      signalAll(
        sessions().filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("sshd")),
        "SIGKILL",
      ),
    killSessions: () => signalAll(sessions(), "SIGKILL"),
    freeze: () => signalAll([...(server?.pid === undefined ? [] : [server.pid]), ...sessions()], "SIGSTOP"),
    thaw: () => signalAll([...(server?.pid === undefined ? [] : [server.pid]), ...sessions()], "SIGCONT"),
    async [Symbol.asyncDispose]() {
      await kill();
      endLeftovers(directory);
      directory[Symbol.dispose]();
    },
  };
}

function settings(path: string, port: number, { account, settings: extra = [] }: SshServerOptions): readonly string[] {
  return [
    // The first value of a setting counts.
    ...extra,
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${join(path, "host_key")}`,
    `PidFile ${join(path, "pid")}`,
    `AuthorizedKeysFile ${join(path, "authorized_keys")}`,
    "StrictModes no",
    "UsePAM no",
    `PasswordAuthentication ${account.password === undefined ? "no" : "yes"}`,
    "KbdInteractiveAuthentication no",
    "UseDNS no",
    "PrintMotd no",
    "Subsystem sftp internal-sftp",
  ];
}

/** The text of a `known_hosts` file, whose keys are different from now on. */
export function withOtherKeys(knownHosts: string): string {
  return knownHosts.replace(
    /( AAAA.{40})(.)/g,
    (_, begin: string, letter: string) => begin + (letter === "x" ? "y" : "x"),
  );
}

/** Makes an Ed25519 key without passphrase. @returns the path of the private key */
export function makeKey(directory: string, name: string, passphrase = ""): string {
  const path = join(directory, name);
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", path], { stdio: "pipe" });
  return path;
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

async function canConnect(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Living processes below another one. */
function descendants(pid: number): readonly number[] {
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (table.read(Number(name)) ?? []) : []));
  const found = [pid];
  for (const parent of found) found.push(...all.filter((entry) => entry.parentId === parent).map((entry) => entry.pid));
  return found.slice(1);
}

/** What sessions left running although their server is gone: everything that works below the directory. */
function endLeftovers(directory: TempDir): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const cwd = readlinkSync(`/proc/${pid}/cwd`);
      if (cwd === directory.path || cwd.startsWith(`${directory.path}/`)) process.kill(Number(pid), "SIGKILL");
    } catch {
      // Ended by itself.
    }
  }
}
