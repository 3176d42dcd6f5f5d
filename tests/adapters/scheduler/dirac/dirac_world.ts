import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../../../adapters/command_runner/local.ts";
import type { DiracClients } from "../../../../adapters/dirac/dirac_clients.ts";
import { diracEnvironment } from "../../../../adapters/dirac/dirac_environment.ts";
import { diracFileSystem } from "../../../../adapters/file_system/dirac.ts";
import { type DiracSchedulerOptions, diracScheduler } from "../../../../adapters/scheduler/dirac/dirac.ts";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import type { ProxyConfig, SshConfig } from "../../../../src/config/config.ts";
import { TransferError } from "../../../../src/core/errors.ts";
import { jobId } from "../../../../src/core/ids.ts";
import type { CommandRunner } from "../../../../src/ports/command_runner.ts";
import type { FileSystem } from "../../../../src/ports/file_system.ts";
import type { Scheduler } from "../../../../src/ports/scheduler.ts";
import { PATIENCE_MS, type SchedulerWorld, signal } from "../../../conformance/scheduler_world.ts";
import { DIRAC_NAMES, type DiracServer } from "../../../support/dirac_server.ts";
import { eventually } from "../../../support/eventually.ts";
import { ownDiracClients } from "../../../support/own_dirac_clients.ts";
import { recordingLogger } from "../../../support/recording_logger.ts";
import { tempDir } from "../../../support/temp_dir.ts";
import { proxyOf } from "../../file_system/dirac_world.ts";

export interface DiracWorldOptions {
  /** Put around the runner of DIRAC's commands. */
  readonly wrap?: (runner: CommandRunner) => CommandRunner;
  /** The machine with DIRAC's commands. Default: this one. */
  readonly ssh?: SshConfig;
  readonly proxy?: Partial<ProxyConfig>;
  readonly scheduler?: Partial<DiracSchedulerOptions>;
}

export interface DiracWorld extends SchedulerWorld {
  readonly fileSystem: FileSystem;
  readonly clients: DiracClients;
  readonly stateDir: string;
  /** Directory on this machine of the job in a directory of the grid. */
  localOf(directory: string): string;
  /** Copies the files of a job to the grid, as a submission does. */
  send(directory: string): Promise<void>;
}

const BETWEEN_LOOKS_MS = 1_000;

/**
 * Makes the directory of the user on the grid, so that it is there before several files come at once: the catalogue of
 * DIRAC 8 loses one of two that make the same directory.
 */
export async function makeUserDirectory(server: DiracServer): Promise<void> {
  const lfn = `${DIRAC_NAMES.lfnRoot}/first-${process.pid}`;
  const args = ["-f", lfn, "/etc/hostname", DIRAC_NAMES.storageElement];
  const { exitCode, stdout } = await server.command("dirac-dms-add-file", ...args);
  if (exitCode !== 0) throw new Error(stdout);
}

let worlds = 0;
const table = processTable();

/**
 * A scheduler with jobs of its own on a real grid. What a running job writes is looked at on its node, which is this
 * machine; when it has ended, what came back from the grid counts.
 */
export async function openDiracWorld(server: DiracServer, options: DiracWorldOptions = {}): Promise<DiracWorld> {
  const dir = tempDir();
  const at = (name: string): string => join(dir.path, name);
  worlds += 1;
  const lfnRoot = `${DIRAC_NAMES.lfnRoot}/jobs-${process.pid}-${worlds}`;
  const clock = systemClock();
  const logger = recordingLogger();
  const runner = localCommandRunner({ clock, logger });
  const stateDir = at("dirac");
  const clients = ownDiracClients({
    runner: options.wrap?.(runner) ?? runner,
    environment: diracEnvironment(server.environment),
    ...{ stateDir, clock, logger },
  });
  const config = { ssh: options.ssh, proxy: proxyOf(server, options.proxy) };
  const lease = clients.lease(config);
  const fileSystem = diracFileSystem({
    lease: clients.lease(config),
    logs: clients.logs,
    lfnRoot,
    storageElement: DIRAC_NAMES.storageElement,
    incomingDir: at("incoming"),
    ...{ clock, logger },
  });
  const localOf = (directory: string): string => join(at("jobs"), directory.slice(lfnRoot.length + 1));
  /** Directories whose files have been sent, and those whose output has come back. */
  const sent = new Map<string, Promise<void>>();
  const fetched = new Set<string>();

  const send = (directory: string): Promise<void> => {
    const sending = sent.get(directory) ?? fileSystem.upload(localOf(directory), directory, signal);
    sent.set(directory, sending);
    return sending;
  };
  const open = (): Scheduler => {
    const scheduler = diracScheduler({
      ...{ client: lease.client, logs: clients.logs, marksDir: join(stateDir, "submitted"), clock, logger },
      ...{ storageElement: DIRAC_NAMES.storageElement, apptainerImage: undefined, cpuTimeS: undefined },
      ...{ platform: undefined, sites: [], bannedSites: [], tags: [], processors: undefined, maxJobs: 100 },
      ...{ storageRetryS: 1, cancelLookMs: 500, recordPatienceMs: 20_000 },
      ...options.scheduler,
    });
    return {
      ...scheduler,
      async submit(job, tag, aborted) {
        if (existsSync(localOf(job.directory))) await send(job.directory);
        return await scheduler.submit(job, tag, aborted);
      },
      async statuses(ids, aborted) {
        const statuses = await scheduler.statuses(ids, aborted);
        // Who asks without a pause keeps the machine from running the job.
        await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
        return statuses;
      },
    };
  };
  /** Where a job works at this moment. */
  const nodeOf = (directory: string): string | undefined => {
    const { stdout } = spawnSync(
      "grep",
      ["-rlsF", "--include=record", `"directory":"${directory}"}`, join(server.directory, "pilots")],
      { encoding: "utf8" },
    );
    const record = stdout.split("\n").find((path) => path.endsWith("/.bartender/record"));
    return record === undefined ? undefined : join(dirname(dirname(record)), "job");
  };
  const fetch = async (directory: string): Promise<void> => {
    if (fetched.has(directory)) return;
    try {
      await fileSystem.download(directory, localOf(directory), signal);
      fetched.add(directory);
    } catch (error) {
      // Nothing has come back yet, or nothing ever will.
      if (!(error instanceof TransferError)) throw error;
    }
  };

  let scheduler = open();
  let jobs = 0;
  return {
    ...{ fileSystem, clients, stateDir, localOf, send },
    get scheduler() {
      return scheduler;
    },
    async reopen() {
      await scheduler.close();
      scheduler = open();
      return scheduler;
    },
    async makeDirectory() {
      jobs += 1;
      const directory = fileSystem.locate(jobId(jobs), "");
      mkdirSync(localOf(directory), { recursive: true });
      return directory;
    },
    async read(directory, name) {
      const node = nodeOf(directory);
      if (node === undefined && sent.has(directory)) {
        await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
        await fetch(directory);
      }
      const path = join(node ?? localOf(directory), name);
      try {
        return readFileSync(path, "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      }
    },
    async write(directory, name, text) {
      const reached = async () => nodeOf(directory);
      // What is written here after the files have been sent would never get there.
      const place = sent.has(directory)
        ? await eventually(`a node with ${directory}`, reached, PATIENCE_MS)
        : localOf(directory);
      writeFileSync(join(place, name), text);
    },
    isAlive: async (pid) => table.read(pid) !== undefined,
    async [Symbol.asyncDispose]() {
      await scheduler.close();
      await fileSystem.close();
      lease.close();
      dir[Symbol.dispose]();
    },
  };
}
