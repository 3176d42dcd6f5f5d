import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { eventually } from "../eventually.ts";
import type { DiracPorts } from "./configuration.ts";

/** Which of DIRAC's services run together in a process; those that a test stops have one of their own. */
const PROCESSES = {
  configuration: ["Configuration/Server"],
  proxies: ["Framework/ProxyManager"],
  catalog: ["DataManagement/FileCatalog"],
  storage: ["DataManagement/StorageElementOne"],
  sandboxes: ["WorkloadManagement/SandboxStore"],
  jobManager: ["WorkloadManagement/JobManager"],
  jobMonitoring: ["WorkloadManagement/JobMonitoring"],
  /** What the optimizers speak to: they fail a job whose site they cannot look up within a few seconds. */
  optimization: ["WorkloadManagement/OptimizationMind", "WorkloadManagement/WMSAdministrator"],
  /** What jobs and pilots speak to; users do not. */
  others: [
    "WorkloadManagement/JobStateUpdate",
    "WorkloadManagement/Matcher",
    "WorkloadManagement/PilotManager",
    "RequestManagement/ReqManager",
    "Accounting/DataStore",
  ],
} as const;

export type DiracServiceName = keyof typeof PROCESSES;

/** A process of the server that a test may stop, freeze and start again. */
export interface DiracService {
  /** @param signal default: SIGTERM */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /**
   * Waits until it answers; does nothing when it runs.
   *
   * @param settings of its configuration, which hold until it is stopped: `/Systems/…/Option=value`
   */
  start(...settings: readonly string[]): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export interface ServicesOptions {
  /** For `<name>.log` of each process. */
  readonly logDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: DiracPorts;
  /** For the first service alone: that of the configuration. */
  readonly configurationFile: string;
}

/** The services, none of them started. */
export function diracServices(options: ServicesOptions): Readonly<Record<DiracServiceName, DiracService>> {
  const service = (name: DiracServiceName): DiracService => {
    const modules = PROCESSES[name];
    const ports = modules.map((module) => options.ports.get(module.split("/")[1] ?? "") ?? 0);
    const args = name === "configuration" ? [...modules, "--cfg", options.configurationFile] : modules;
    return diracProcess({
      ...options,
      name,
      program: "dirac-service",
      args,
      isUrgent: true,
      isReady: async () => (await Promise.all(ports.map(isListening))).every(Boolean),
    });
  };
  return {
    configuration: service("configuration"),
    proxies: service("proxies"),
    catalog: service("catalog"),
    storage: service("storage"),
    sandboxes: service("sandboxes"),
    jobManager: service("jobManager"),
    jobMonitoring: service("jobMonitoring"),
    optimization: service("optimization"),
    others: service("others"),
  };
}

export interface DiracProcessOptions {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly logDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** For what others are lost without in a few seconds: goes first where much else runs, if that is allowed. */
  readonly isUrgent?: boolean;
  isReady(log: string): Promise<boolean>;
}

/** One of DIRAC's servers, not started. */
export function diracProcess(options: DiracProcessOptions): DiracService {
  let child: ChildProcess | undefined;
  const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null;
  const logFile = join(options.logDirectory, `${options.name}.log`);
  return {
    async start(...settings) {
      if (isRunning()) return;
      const log = openSync(logFile, "a");
      const begin = readFileSync(logFile).length;
      const started = spawn(options.program, [...options.args, ...settings.flatMap((each) => ["-o", each])], {
        env: options.environment,
        cwd: options.logDirectory,
        stdio: ["ignore", log, log],
      });
      child = started;
      if (options.isUrgent === true && started.pid !== undefined && process.getuid?.() === 0) {
        setPriority(started.pid, constants.priority.PRIORITY_HIGH);
      }
      await eventually(
        `${options.program} ${options.name}`,
        async () => {
          const said = readFileSync(logFile).subarray(begin).toString("utf8");
          if (!isRunning()) throw new Error(`${options.program} ${options.name} ended:\n${said.slice(-2000)}`);
          return await options.isReady(said);
        },
        120_000,
      );
    },
    async stop(signal = "SIGTERM") {
      const running = child;
      if (running === undefined || !isRunning()) return;
      const ended = new Promise((resolve) => running.once("exit", resolve));
      running.kill("SIGCONT");
      running.kill(signal);
      await ended;
    },
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
