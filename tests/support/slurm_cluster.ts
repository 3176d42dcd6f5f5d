import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "./eventually.ts";
import { lastingPort } from "./lasting_port.ts";
import { type SlurmAccounting, startSlurmAccounting } from "./slurm_accounting.ts";
import { tempDir } from "./temp_dir.ts";

/** A Slurm cluster on this machine with a directory, ports and keys of its own. */
export interface SlurmCluster extends AsyncDisposable {
  readonly directory: string;
  /** Environment that makes Slurm's commands speak to this cluster. */
  readonly environment: Readonly<Record<string, string>>;
  /** Runs one of Slurm's commands. @returns what it printed */
  command(program: string, ...args: readonly string[]): string;
  /** Waits until the controller knows nothing of an ended job any more; it drops them at its own time. */
  forgets(number: string): Promise<void>;
  /** Waits until the controller answers and all nodes take jobs. */
  ready(): Promise<void>;
  /** Undefined without accounting. */
  readonly accounting: SlurmAccounting | undefined;
  readonly controller: SlurmDaemon;
  /** By name of the node. */
  readonly nodes: ReadonlyMap<string, SlurmDaemon>;
}

/** A daemon of the cluster that a test may stop, freeze and start again. */
export interface SlurmDaemon {
  /** @param signal default: SIGTERM */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /**
   * Waits until the cluster answers again.
   *
   * @param flags further arguments, e.g. `-c` for a controller that forgets all jobs
   */
  start(...flags: readonly string[]): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export interface SlurmClusterOptions {
  /** Keep accounts of jobs in a database; takes some seconds more. */
  readonly hasAccounting?: boolean;
  /** Hold jobs in control groups, which limit their memory and end all their processes; takes cgroup v1 and root. */
  readonly hasCgroups?: boolean;
  /** Further lines of slurm.conf. */
  readonly settings?: readonly string[];
  /** How long Slurm remembers ended jobs, at least 2; it looks now and then only. Default: 30. */
  readonly minJobAgeS?: number;
}

const CGROUPS = `CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
`;

const NODES = { n1: 2, n2: 2, n3: 64 } as const;

export async function startSlurmCluster(options: SlurmClusterOptions = {}): Promise<SlurmCluster> {
  const dir = tempDir();
  const directory = dir.path;
  chmodSync(directory, 0o755);
  for (const name of ["munge", "ctld", "run", "log"]) mkdirSync(join(directory, name));
  const environment = { PATH: process.env.PATH ?? "", SLURM_CONF: join(directory, "slurm.conf") };
  const ports = await Promise.all(Array.from({ length: 2 + Object.keys(NODES).length }, lastingPort));

  const isRoot = process.getuid?.() === 0;
  const munge = join(directory, "munge");
  writeFileSync(join(munge, "key"), randomBytes(1024), { mode: 0o600 });
  if (isRoot) {
    const [uid = 0, gid = 0] = ["-u", "-g"].map((flag) =>
      Number(execFileSync("id", [flag, "munge"], { encoding: "utf8" })),
    );
    for (const path of [munge, join(munge, "key")]) chownSync(path, uid, gid);
  }
  const start = (program: string, args: readonly string[]): ChildProcess => {
    const log = openSync(join(directory, "log", `${program}.out`), "a");
    return spawn(program, args, { env: environment, stdio: ["ignore", log, log] });
  };
  const mungeArgs = [
    "--foreground",
    `--key-file=${join(munge, "key")}`,
    `--socket=${join(munge, "socket")}`,
    `--pid-file=${join(munge, "pid")}`,
    `--log-file=${join(munge, "log")}`,
    `--seed-file=${join(munge, "seed")}`,
  ];
  const munged = isRoot
    ? start("setpriv", ["--reuid=munge", "--regid=munge", "--clear-groups", "munged", ...mungeArgs])
    : start("munged", mungeArgs);

  const command = (program: string, ...args: readonly string[]): string =>
    execFileSync(program, args, {
      env: environment,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 30_000,
    });
  const isReady = (): boolean => {
    try {
      // A controller that was killed may meet jobs on a node that it has just forgotten, and drains the node.
      const states = (): string => command("sinfo", "-h", "-N", "-o", "%N %t");
      const before = states();
      const drained = [...before.matchAll(/^(\S+) (?:drain|drng)/gm)].map(([, name]) => name);
      for (const name of drained) command("scontrol", "update", `NodeName=${name}`, "State=RESUME");
      const now = drained.length === 0 ? before : states();
      return now !== "" && !/down|unk|\*/.test(now);
    } catch {
      return false;
    }
  };
  const daemon = (program: string, args: readonly string[], ...flags: readonly string[]) => {
    let child = start(program, [...args, ...flags]);
    const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGCONT");
      child.kill(signal);
      await ended;
    };
    return {
      stop,
      async start(...again: readonly string[]) {
        child = start(program, [...args, ...again]);
        await eventually("the cluster", isReady);
      },
      freeze: () => void child.kill("SIGSTOP"),
      thaw: () => void child.kill("SIGCONT"),
      end: () => stop("SIGKILL"),
    };
  };
  await eventually("munged", () => isMungeReady(environment, munge));
  const accounting = options.hasAccounting === true ? await startSlurmAccounting(directory, environment) : undefined;
  const settings = [...(accounting?.settings ?? []), ...(options.settings ?? [])];
  writeFileSync(environment.SLURM_CONF, configuration(directory, ports, { ...options, settings }));
  if (options.hasCgroups === true) writeFileSync(join(directory, "cgroup.conf"), CGROUPS);
  await accounting?.register(`t${ports[0]}`);
  const controller = daemon("slurmctld", ["-D"], "-c");
  const nodes = new Map(Object.keys(NODES).map((name) => [name, daemon("slurmd", ["-D", "-N", name])]));
  await eventually("the cluster", isReady);

  return {
    directory,
    environment,
    command,
    async forgets(number) {
      const args = ["-h", "-t", "all", "-j", `${number},${number}0`];
      const isGone = async () => (await promisify(execFile)("squeue", args, { env: environment })).stdout === "";
      await eventually("Slurm to forget the job", isGone, 100_000);
    },
    async ready() {
      await eventually("the cluster", isReady);
    },
    accounting,
    controller,
    nodes,
    async [Symbol.asyncDispose]() {
      try {
        if (isReady()) {
          command("scancel", "--me");
          await eventually("the end of all jobs", () => command("squeue", "-h", "--me") === "");
        }
      } finally {
        for (const each of [...nodes.values(), controller]) await each.end();
        await accounting?.end();
        if (options.hasCgroups === true) removeCgroups();
        munged.kill("SIGKILL");
        dir[Symbol.dispose]();
      }
    },
  };
}

function configuration(
  directory: string,
  ports: readonly number[],
  { settings = [], minJobAgeS = 30, hasCgroups = false }: SlurmClusterOptions,
): string {
  const [controllerPort, nodePort, ...nodePorts] = ports;
  const host = hostname();
  const user = process.getuid?.() === 0 ? "root" : execFileSync("id", ["-un"], { encoding: "utf8" }).trim();
  return [
    `ClusterName=t${controllerPort}`,
    `SlurmctldHost=${host}(127.0.0.1)`,
    `SlurmctldPort=${controllerPort}`,
    `SlurmdPort=${nodePort}`,
    "AuthType=auth/munge",
    `AuthInfo=socket=${directory}/munge/socket`,
    "CredType=cred/munge",
    `SlurmUser=${user}`,
    `SlurmdUser=${user}`,
    `StateSaveLocation=${directory}/ctld`,
    `SlurmdSpoolDir=${directory}/slurmd.%n`,
    `SlurmctldPidFile=${directory}/run/ctld.pid`,
    `SlurmdPidFile=${directory}/run/slurmd.%n.pid`,
    `SlurmctldLogFile=${directory}/log/ctld.log`,
    `SlurmdLogFile=${directory}/log/slurmd.%n.log`,
    `ProctrackType=proctrack/${hasCgroups ? "cgroup" : "linuxproc"}`,
    `TaskPlugin=task/${hasCgroups ? "cgroup" : "none"}`,
    "SwitchType=switch/none",
    "MpiDefault=none",
    "ReturnToService=2",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core_Memory",
    "SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0,defer",
    "KillWait=2",
    `MinJobAge=${minJobAgeS}`,
    "SlurmctldTimeout=10",
    "SlurmdTimeout=10",
    "BatchStartTimeout=5",
    "MessageTimeout=5",
    "DefMemPerCPU=100",
    "MaxJobCount=20000",
    `JobAcctGatherType=jobacct_gather/${hasCgroups ? "cgroup" : "none"}`,
    "SlurmdParameters=config_overrides",
    ...(settings.some((line) => line.startsWith("AccountingStorageType"))
      ? []
      : ["AccountingStorageType=accounting_storage/none"]),
    ...settings,
    ...Object.entries(NODES).map(
      ([name, cpus], index) =>
        `NodeName=${name} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${nodePorts[index]} CPUs=${cpus} RealMemory=40000`,
    ),
    "PartitionName=main Nodes=n1,n2 Default=YES",
    "PartitionName=wide Nodes=n3 MaxTime=01:00:00",
    "",
  ].join("\n");
}

/** What slurmd leaves behind of its control groups. */
function removeCgroups(): void {
  for (const controller of readdirSync("/sys/fs/cgroup")) {
    for (const name of Object.keys(NODES)) {
      const top = join("/sys/fs/cgroup", controller, `slurm_${name}`);
      if (existsSync(top)) execFileSync("find", [top, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
    }
  }
}

function isMungeReady(environment: Readonly<Record<string, string>>, munge: string): boolean {
  try {
    execFileSync("munge", ["-n", "-S", join(munge, "socket")], { env: environment, stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
