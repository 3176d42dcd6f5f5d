import { join, posix } from "node:path";
import type {
  DestinationConfig,
  DiracSchedulerConfig,
  FileSystemConfig,
  SlurmSchedulerConfig,
} from "../../src/config/config.ts";
import { assertNever } from "../../src/core/assert_never.ts";
import type { CommandRunner } from "../../src/ports/command_runner.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import { sshCommandRunner } from "../command_runner/ssh.ts";
import type { DiracClients } from "../dirac/dirac_clients.ts";
import type { SshPool } from "../ssh/ssh_pool.ts";
import { diracScheduler } from "./dirac/dirac.ts";
import { eagerScheduler } from "./eager.ts";
import type { LocalProcessOptions } from "./local_processes.ts";
import { memoryScheduler } from "./memory.ts";
import { slurmScheduler } from "./slurm/slurm.ts";
import { type TakeTurns, turnTaking } from "./turn_taking.ts";

/** What the daemon gives to every scheduler; one control directory may serve several of them. */
export interface SchedulerSurroundings
  extends Pick<LocalProcessOptions, "controlDir" | "environment" | "clock" | "logger" | "cgroups"> {
  /** For commands of batch systems on this machine. */
  readonly runner: CommandRunner;
  readonly ssh: SshPool;
  readonly dirac: DiracClients;
}

/** Where records go on a host that has none of our directories, below the entry directory. */
const REMOTE_CONTROL_DIR = ".bartender/attempts";

/** @param config the scheduler, with the file system of its destination, which tells where the cluster keeps files */
export async function buildScheduler(
  { scheduler: config, fileSystem }: Pick<DestinationConfig, "scheduler" | "fileSystem">,
  surroundings: SchedulerSurroundings,
): Promise<Scheduler> {
  switch (config.type) {
    case "memory":
      return memoryScheduler({ ...surroundings, slots: config.slots, sandbox: config.sandbox });
    case "eager": {
      const { maxLoad, maxWaitS, timeoutS, sandbox } = config;
      return eagerScheduler({ ...surroundings, maxLoad, maxWaitS, timeoutS, sandbox });
    }
    case "slurm":
      return buildSlurm(config, controlDirOn(fileSystem, surroundings.controlDir), surroundings);
    case "arq": {
      const { clock, logger } = surroundings;
      const { redisDsn: dsn, tls, queue } = config;
      const leaseMs = config.heartbeatTimeoutS * 1000;
      // Only for those who use it: its libraries take longer to load than all else together.
      const { redisScheduler } = await import("./redis/redis_scheduler.ts");
      return redisScheduler({ dsn, tls, queue, leaseMs, isLocal: fileSystem.type === "local", clock, logger });
    }
    case "dirac":
      return buildDirac(config, surroundings);
    default:
      return assertNever(config);
  }
}

function buildSlurm(
  { ssh, ...config }: SlurmSchedulerConfig,
  controlDir: string,
  { runner, environment, clock, logger, ...surroundings }: SchedulerSurroundings,
): Scheduler {
  const options = { ...config, controlDir, clock, logger };
  if (ssh === undefined) {
    return slurmScheduler({ ...options, runner, environment, askInTurn: turnsOf(runner) });
  }
  const lease = surroundings.ssh.lease(ssh);
  const remote = sshCommandRunner({ connection: lease.connection, clock });
  // On the other host the log-in sets the environment.
  const askInTurn = turnsOf(lease.connection);
  const scheduler = slurmScheduler({ ...options, runner: remote, environment: {}, askInTurn });
  return {
    ...scheduler,
    async close() {
      await scheduler.close();
      lease.close();
    },
  };
}

/** Turns at each cluster, by the way to it. */
const turns = new WeakMap<object, TakeTurns>();

/** @param way to a cluster; what several destinations share leads to the same one */
function turnsOf(way: object): TakeTurns {
  const taken = turns.get(way) ?? turnTaking(1);
  turns.set(way, taken);
  return taken;
}

function buildDirac(
  { ssh, proxy, ...config }: DiracSchedulerConfig,
  { dirac, clock, logger }: SchedulerSurroundings,
): Scheduler {
  const { client, close } = dirac.lease({ ssh, proxy });
  const scheduler = diracScheduler({
    ...config,
    client,
    logs: dirac.logs,
    marksDir: join(dirac.stateDir, "submitted"),
    clock,
    logger,
  });
  return {
    ...scheduler,
    async close() {
      await scheduler.close();
      close();
    },
  };
}

/** The directory of records in the terms of the cluster. */
function controlDirOn(fileSystem: FileSystemConfig, controlDir: string): string {
  return fileSystem.type === "sftp" ? posix.join("/", fileSystem.entry, REMOTE_CONTROL_DIR) : controlDir;
}
