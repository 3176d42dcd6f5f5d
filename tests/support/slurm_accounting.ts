import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { lastingPort } from "./lasting_port.ts";
import { startMariadb } from "./mariadb_server.ts";

/** The accounting of a cluster: a database of its own and Slurm's daemon in front of it. */
export interface SlurmAccounting {
  /** Lines of slurm.conf. */
  readonly settings: readonly string[];
  /** Makes the cluster and the account of this user known; to be called when slurm.conf is there. */
  register(clusterName: string): Promise<void>;
  /** Ends slurmdbd. */
  stop(): Promise<void>;
  /** Starts slurmdbd again. */
  start(): Promise<void>;
  end(): Promise<void>;
}

/**
 * @param directory of the cluster; `munge/socket` below it answers
 * @param environment of Slurm's commands
 */
export async function startSlurmAccounting(
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<SlurmAccounting> {
  const isRoot = process.getuid?.() === 0;
  const [databasePort, port] = await Promise.all([lastingPort(), lastingPort()]);
  const database = await startMariadb({ directory: join(directory, "mariadb"), port: databasePort });
  const start = (program: string, args: readonly string[]): ChildProcess => {
    const log = openSync(join(directory, "log", `${program}.out`), "a");
    return spawn(program, args, { env: environment, stdio: ["ignore", log, log] });
  };
  const succeeds = (program: string, args: readonly string[]): boolean => {
    try {
      execFileSync(program, args, {
        env: { PATH: process.env.PATH, ...environment },
        stdio: "ignore",
        timeout: 20_000,
      });
      return true;
    } catch {
      return false;
    }
  };
  const slurmUser = isRoot ? "root" : execFileSync("id", ["-un"], { encoding: "utf8" }).trim();
  database.sql(
    `create database acct; create user 'acct'@'localhost' identified by 'acct'; grant all on acct.* to 'acct'@'localhost';`,
  );
  const lines = [
    "AuthType=auth/munge",
    `AuthInfo=socket=${directory}/munge/socket`,
    "DbdHost=localhost",
    "DbdAddr=127.0.0.1",
    `DbdPort=${port}`,
    `SlurmUser=${slurmUser}`,
    "StorageType=accounting_storage/mysql",
    "StorageHost=127.0.0.1",
    `StoragePort=${databasePort}`,
    "StorageUser=acct",
    "StoragePass=acct",
    "StorageLoc=acct",
    `LogFile=${directory}/log/dbd.log`,
    `PidFile=${directory}/run/dbd.pid`,
  ];
  writeFileSync(join(directory, "slurmdbd.conf"), `${lines.join("\n")}\n`, { mode: 0o600 });
  let daemon: ChildProcess | undefined;
  const end = async (child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  };
  const startDaemon = async (): Promise<void> => {
    daemon = start("slurmdbd", ["-D"]);
    await eventually("slurmdbd", () => succeeds("sacctmgr", ["-n", "show", "cluster"]), 60_000);
  };
  return {
    settings: [
      "AccountingStorageType=accounting_storage/slurmdbd",
      "AccountingStorageHost=127.0.0.1",
      `AccountingStoragePort=${port}`,
      `AccountingStoragePass=${directory}/munge/socket`,
      "AccountingStoreFlags=job_comment",
    ],
    async register(clusterName) {
      await startDaemon();
      for (const what of [
        ["cluster", clusterName],
        ["account", "acc"],
        ["user", slurmUser, "account=acc"],
      ]) {
        execFileSync("sacctmgr", ["-i", "add", ...what], { env: environment, stdio: "ignore" });
      }
    },
    stop: () => end(daemon, "SIGTERM"),
    start: startDaemon,
    async end() {
      await end(daemon, "SIGKILL");
      await database.kill();
    },
  };
}
