import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import type { LogLevel } from "../../adapters/logger/log_levels.ts";
import { endProcesses } from "../../adapters/scheduler/end_processes.ts";
import { processTable } from "../../adapters/scheduler/process_table.ts";
import { type RedisSchedulerOptions, redisScheduler } from "../../adapters/scheduler/redis/redis_scheduler.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import type { SchedulerWorld } from "../conformance/scheduler_world.ts";
import { builtProgram } from "./built_program.ts";
import { eventually } from "./eventually.ts";
import { jobDirectories } from "./job_directories.ts";
import { recordingLogger } from "./recording_logger.ts";
import type { RedisServer } from "./redis_server.ts";
import { tempDir } from "./temp_dir.ts";

const PERFORMER = resolve(import.meta.dir, "performer_process.ts");

/** Files of rediss:// as a configuration has them. */
const NO_TLS = { caFile: undefined, certFile: undefined, keyFile: undefined, serverName: undefined };

/** A performer in a process of its own. */
export interface PerformerProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  log(): string;
  /** @returns exit status, null when the signal ended it */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface RedisWorldOptions {
  /** Default: 5 min, so that nothing is lost by a busy machine. */
  readonly leaseS?: number;
  readonly queue?: string;
  /** Lines for the configuration of the destination. */
  readonly settings?: string;
  /** Options of the scheduler, each after a comma. */
  readonly more?: string;
  readonly maxJobs?: number;
  /** What performers write down. Default: everything. */
  readonly logLevel?: LogLevel;
  /** Command line before that of a performer, e.g. to run it elsewhere. */
  readonly prefix?: readonly string[];
  readonly scheduler?: Partial<RedisSchedulerOptions>;
  /** What performers use, default: that of the server. */
  readonly dsn?: string;
}

/** A queue in Redis with a daemon's side in this process and performers in others, and a disk that all see. */
export interface RedisWorld extends SchedulerWorld {
  readonly root: string;
  readonly options: RedisSchedulerOptions;
  readonly logger: ReturnType<typeof recordingLogger>;
  startPerformer(prefix?: readonly string[]): Promise<PerformerProcess>;
  /** Another scheduler for the same queue, as a second daemon would have it. */
  another(): Scheduler;
}

export function openRedisWorld(server: RedisServer, given: RedisWorldOptions = {}): RedisWorld {
  const dir = tempDir();
  const leaseS = given.leaseS ?? 300;
  const queue = given.queue ?? `queue:${dir.path}`;
  const logger = recordingLogger();
  const options: RedisSchedulerOptions = {
    dsn: server.dsn,
    tls: NO_TLS,
    queue,
    leaseMs: leaseS * 1000,
    isLocal: true,
    clock: systemClock(),
    logger,
    ...given.scheduler,
  };
  const configFile = join(dir.path, "config.yaml");
  mkdirSync(join(dir.path, "jobs"));
  writeFileSync(
    configFile,
    `job_root_dir: ${join(dir.path, "jobs")}
applications: {any: {command_template: "true"}}
destinations:
  far:
    scheduler: {type: arq, redis_dsn: "${given.dsn ?? server.dsn}", queue: ${JSON.stringify(queue)}, max_jobs: ${given.maxJobs ?? 10}${given.more ?? ""}}
    filesystem: {type: local}
${given.settings ?? ""}
`,
  );
  const performers: PerformerProcess[] = [];
  const opened: Scheduler[] = [];
  const open = (): Scheduler => {
    const made = redisScheduler(options);
    opened.push(made);
    return made;
  };
  let scheduler = open();
  const table = processTable();

  return {
    root: dir.path,
    options,
    logger,
    get scheduler() {
      return scheduler;
    },
    another: open,
    async reopen() {
      await scheduler.close();
      scheduler = open();
      return scheduler;
    },
    async startPerformer(prefix = given.prefix ?? []) {
      const performer = await launch(
        [...prefix],
        [configFile, String(leaseS), "far", given.logLevel ?? "debug"],
        join(dir.path, `${performers.length}.log`),
      );
      performers.push(performer);
      return performer;
    },
    ...jobDirectories(dir.path),
    async [Symbol.asyncDispose]() {
      for (const each of opened) await each.close();
      for (const each of performers) await each.stop("SIGKILL");
      // What a failed test left running.
      const clock = systemClock();
      const found = readdirSync(join(dir.path, "jobs"), { recursive: true, encoding: "utf8" });
      for (const tag of found.filter((path) => path.includes("/attempts/")).map((path) => basename(path))) {
        const what = { table, clock, tag, groupId: undefined, isGroupOurs: false, graceMs: 0, onStuck: () => {} };
        await endProcesses(what).done;
      }
      dir[Symbol.dispose]();
    },
  };
}

async function launch(
  prefix: readonly string[],
  options: readonly string[],
  logFile: string,
): Promise<PerformerProcess> {
  const out = openSync(logFile, "w");
  const [program = "", ...args] = [...prefix, process.execPath, "--no-env-file", builtProgram(PERFORMER), ...options];
  const child = spawn(program, args, { env: { PATH: process.env.PATH ?? "" }, stdio: ["ignore", out, out] });
  closeSync(out);
  const log = (): string => readFileSync(logFile, "utf8");
  try {
    await eventually(
      "the performer",
      () => {
        if (child.exitCode !== null) throw new Error(`It ended with status ${child.exitCode}`);
        return log().includes("Worker running for 'far' destination");
      },
      120_000,
    );
  } catch (error) {
    throw new Error(`The performer did not start:\n${log()}`, { cause: error });
  }
  return {
    child,
    pid: child.pid ?? 0,
    log,
    async stop(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const ended = new Promise<number | null>((done) => child.once("exit", done));
      child.kill(signal);
      return await ended;
    },
  };
}
