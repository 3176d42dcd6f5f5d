import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.ts";

/** A MariaDB server of this test file alone, with its own directory and port. */
export interface MariadbServer {
  readonly port: number;
  /** Runs statements as its administrator. @returns rows as lines, columns separated by tabs */
  sql(statements: string): string;
  /** Ends it as a system that goes down does; its data can be opened again. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export interface MariadbOptions {
  /** Made, with `data`, `socket` and `log` in it. */
  readonly directory: string;
  readonly port: number;
  /** The data of a server that was stopped, to begin with. Default: no databases. */
  readonly template?: string;
  /** Variables for the server beside `PATH`. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly options?: readonly string[];
}

/** Account that owns the files: MariaDB refuses to run as root. */
function owner(): string {
  if (process.getuid?.() === 0) return "mysql";
  return execFileSync("id", ["-un"], { encoding: "utf8" }).trim();
}

export async function startMariadb(given: MariadbOptions): Promise<MariadbServer> {
  const { directory, port } = given;
  mkdirSync(directory);
  const user = owner();
  const data = join(directory, "data");
  const socket = join(directory, "socket");
  if (process.getuid?.() === 0) {
    const id = (flag: string) => Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
    chownSync(directory, id("-u"), id("-g"));
  }
  if (given.template !== undefined) {
    execFileSync("cp", ["-a", given.template, data]);
  } else {
    const install = ["--no-defaults", `--user=${user}`, `--datadir=${data}`, "--skip-test-db"];
    execFileSync("mariadb-install-db", [...install, "--auth-root-authentication-method=normal"], { stdio: "ignore" });
  }
  const log = openSync(join(directory, "log"), "a");
  const server = spawn(
    "mariadbd",
    [
      "--no-defaults",
      `--user=${user}`,
      `--datadir=${data}`,
      `--socket=${socket}`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      "--innodb-flush-log-at-trx-commit=0",
      ...(given.options ?? []),
    ],
    { env: { PATH: process.env.PATH, ...given.environment }, stdio: ["ignore", log, log] },
  );
  const client = (program: string, ...args: readonly string[]): string =>
    execFileSync(program, ["--no-defaults", "-u", "root", `--socket=${socket}`, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 60_000,
    });
  await eventually(
    "MariaDB",
    () => {
      if (server.exitCode !== null)
        throw new Error(`mariadbd ended with status ${server.exitCode}, see ${directory}/log`);
      try {
        client("mariadb-admin", "ping");
        return true;
      } catch {
        return false;
      }
    },
    60_000,
  );
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    await endChild(server, signal);
  };
  return {
    port,
    sql: (statements) => client("mariadb", "--batch", "--skip-column-names", "-e", statements),
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}

async function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}
