import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PostgresConnection } from "../../adapters/postgres/connection.ts";
import { readPostgresUrl } from "../../adapters/postgres/settings.ts";
import { eventually } from "./eventually.ts";
import { lastingPort } from "./lasting_port.ts";
import { tempDir } from "./temp_dir.ts";

const BIN = "/usr/lib/postgresql/15/bin";

/** The login that owns everything; its password is never asked for. */
const USER = "test";

/** A login that is asked for its password; to be made by the test. */
export const LOCKED_USER = "locked";

/** A PostgreSQL server of this test file alone, with its own directory and port. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Process id of the postmaster. */
  readonly pid: number;
  /** Address of a database, made by {@link createDatabase} or by name. */
  url(base: string, options?: string): string;
  /** Makes an empty database. @returns its address */
  createDatabase(): Promise<string>;
  /** Runs statements as the owner, each by itself. @returns the rows of the last */
  sql(url: string, ...statements: readonly string[]): Promise<readonly Record<string, unknown>[]>;
  /** `SIGINT` is a quick stop, `SIGQUIT` one without clean-up, `SIGKILL` a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** Stops the processor time of the server and of all its sessions, or lets them go on. */
  freeze(): void;
  thaw(): void;
}

/** @param settings lines for `postgresql.conf` */
export async function startPostgres(settings: readonly string[] = []): Promise<PostgresServer> {
  const directory = tempDir();
  const owner = ordinaryUser();
  const data = join(directory.path, "data");
  chmodSync(directory.path, 0o755);
  mkdirSync(data, { mode: 0o700 });
  if (owner !== undefined) chownSync(data, owner.uid, owner.gid);
  execFileSync(join(BIN, "initdb"), ["-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"], {
    ...owner,
    cwd: "/",
    stdio: "ignore",
  });
  const rules = join(data, "pg_hba.conf");
  writeFileSync(rules, `host all ${LOCKED_USER} all scram-sha-256\n${readFileSync(rules, "utf8")}`);
  const port = await lastingPort();
  let server: ChildProcess | undefined;
  let databases = 0;

  const start = async (): Promise<void> => {
    const options = [
      `port=${port}`,
      "listen_addresses=127.0.0.1",
      "unix_socket_directories=",
      "fsync=off",
      ...settings,
    ];
    server = spawn(join(BIN, "postgres"), ["-D", data, ...options.flatMap((option) => ["-c", option])], {
      ...owner,
      cwd: "/",
      stdio: "ignore",
    });
    const started = server;
    await eventually("the database server", async () => {
      if (started.exitCode !== null) throw new Error(`postgres ended with status ${started.exitCode}`);
      return await answers(url("postgres"));
    });
  };
  const stop = async (signal: NodeJS.Signals = "SIGINT"): Promise<void> => {
    const running = server;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => running.once("exit", () => resolve()));
    const pids = processes(running.pid);
    running.kill(signal);
    await ended;
    // Sessions notice by themselves that the postmaster is gone; a new one refuses to start before.
    await eventually("the end of all sessions", () => pids.every((pid) => !isAlive(pid)));
  };
  const signalAll = (signal: NodeJS.Signals): void => {
    for (const pid of processes(server?.pid)) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        // A session may have ended since it was listed.
        if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
      }
    }
  };
  const url = (base: string, options = "") => `postgres://${USER}:none@127.0.0.1:${port}/${base}${options}`;
  const sql: PostgresServer["sql"] = async (at, ...statements) => {
    const connection = new PostgresConnection({ settings: readPostgresUrl(at), statementTimeoutMs: 0 });
    try {
      let rows: readonly Record<string, unknown>[] = [];
      for (const statement of statements) rows = [...(await connection.query(statement, []))];
      return rows;
    } finally {
      await connection.end();
    }
  };

  await start().catch((error: unknown) => {
    server?.kill("SIGKILL");
    directory[Symbol.dispose]();
    throw error;
  });
  return {
    port,
    get pid() {
      return server?.pid ?? 0;
    },
    url,
    async createDatabase() {
      const base = `test_${++databases}`;
      await sql(url("postgres"), `create database ${base}`);
      return url(base);
    },
    ...{ sql, start, stop },
    freeze: () => signalAll("SIGSTOP"),
    thaw: () => signalAll("SIGCONT"),
    async [Symbol.asyncDispose]() {
      signalAll("SIGCONT");
      await stop();
      directory[Symbol.dispose]();
    },
  };

  async function answers(at: string): Promise<boolean> {
    try {
      await sql(at, "select 1");
      return true;
    } catch {
      return false;
    }
  }
}

/** PostgreSQL refuses to run as root. */
function ordinaryUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (option: string) => Number(execFileSync("id", [option, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** The postmaster and its children. */
function processes(pid: number | undefined): readonly number[] {
  if (pid === undefined) return [];
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
    return [pid, ...children.split(" ").filter(Boolean).map(Number)];
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}
