import { type ChildProcess, spawn } from "node:child_process";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ActorSystem } from "../actors/kernel/actor_system.ts";
import { performerName } from "../actors/performer/performer_messages.ts";
import { performersTree } from "../actors/performer/performer_tree.ts";
import type { PerformerWorld } from "../actors/performer/performer_world.ts";
import { localCommandRunner } from "../adapters/command_runner/local.ts";
import { diracClients } from "../adapters/dirac/dirac_clients.ts";
import { diracEnvironment } from "../adapters/dirac/dirac_environment.ts";
import { openAttemptCgroups } from "../adapters/scheduler/attempt_cgroups.ts";
import { commandEnvironment } from "../adapters/scheduler/command_environment.ts";
import { directSpawner } from "../adapters/scheduler/direct_spawner.ts";
import { memoryScheduler } from "../adapters/scheduler/memory.ts";
import { processTable } from "../adapters/scheduler/process_table.ts";
import { endingLeftovers } from "../adapters/scheduler/redis/end_leftovers.ts";
import { freeRoom } from "../adapters/scheduler/redis/free_room.ts";
import { lifeFiles } from "../adapters/scheduler/redis/life_file.ts";
import { openPerformerHome } from "../adapters/scheduler/redis/performer_home.ts";
import { performerQueue } from "../adapters/scheduler/redis/performer_queue.ts";
import { probeSandbox } from "../adapters/scheduler/sandbox.ts";
import { serviceUser } from "../adapters/ssh/service_user.ts";
import { type SshPool, sshPool } from "../adapters/ssh/ssh_pool.ts";
import { buildWorkplace } from "../adapters/workplace/build.ts";
import packageJson from "../package.json" with { type: "json" };
import type { PerformerInput, RunningPerformer } from "./cli/perform.ts";
import type { DestinationConfig } from "./config/config.ts";
import { BartenderError } from "./core/errors.ts";
import { placesOf } from "./places.ts";
import { selfCommand } from "./runtime/self_command.ts";

/** Time between SIGTERM and SIGKILL; no more than a third of the lease, so that all is over before that is. */
const KILL_GRACE_MS = 5_000;

/** How long the end of all commands may take beside that, as a part of the lease. */
const SPARE_PART = 0.1;

/** How much later than the performer its guard ends commands, as a part of the lease. */
const GUARD_PART = 0.03;

/** Before a guard that has ended is replaced. */
const GUARD_PAUSE_MS = 1_000;

/** How long it may take to tell how commands ended that were ended to stop. */
const LAST_WORDS_MS = 10_000;

/** Closes a part. @param isDrained true: no command of ours runs */
type Closer = (isDrained: boolean) => Promise<void>;

/** @throws when a part cannot start; nothing is left running then */
export async function startPerformer(input: PerformerInput): Promise<RunningPerformer> {
  const { clock, logger, random, variables } = input;
  const ssh = sshPool({
    sources: { homeDirectory: homedir(), agentSocket: variables.SSH_AUTH_SOCK },
    serviceUser,
    clock,
    logger,
    random,
  });
  const closers: Closer[] = [];
  const close = async (isDrained = false): Promise<void> => {
    for (const closeOne of closers.splice(0).toReversed()) await closeOne(isDrained);
  };
  try {
    const parts: (readonly [string, DestinationConfig, PerformerWorld])[] = [];
    for (const name of input.destinations) {
      const settings = input.config.destinations.get(name);
      if (settings !== undefined) parts.push([name, settings, await worldOf(name, settings, input, ssh, closers)]);
    }
    const system = new ActorSystem({ root: performersTree(parts.map(([, , world]) => world)), clock, logger });
    await system.start();
    const endAll = (reason: string, name?: string): void => {
      for (const each of input.destinations) {
        if (name === undefined || name === each) system.find(performerName(each))?.send({ type: "end_all", reason });
      }
      // A server that is away is told by the next performer here.
      clock.after(KILL_GRACE_MS + LAST_WORDS_MS, () => patience.resolve());
    };
    const patience = Promise.withResolvers<void>();
    let isDrained = false;
    return {
      failed: system.failed,
      async drain() {
        const waits = parts.map(([name, { scheduler }]) => {
          const { promise, resolve } = Promise.withResolvers<void>();
          system.find(performerName(name))?.send({ type: "drain", drained: resolve });
          const limitS = scheduler.type === "arq" ? scheduler.drainTimeoutS : undefined;
          if (limitS === undefined) return promise;
          const reason = `The performer was stopped, and the command did not end within drain_timeout (${limitS} s)`;
          const stop = clock.after(limitS * 1000, () => endAll(reason, name));
          return promise.finally(stop);
        });
        const drained = Promise.all(waits).then(() => {
          isDrained = true;
        });
        await Promise.race([drained, patience.promise]);
      },
      endAll,
      async stop() {
        await system.stop();
        await close(isDrained);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function worldOf(
  name: string,
  { scheduler, fileSystem, rules }: DestinationConfig,
  { config, stateDir, variables, clock, logger: common, settleMs }: PerformerInput,
  ssh: SshPool,
  closers: Closer[],
): Promise<PerformerWorld> {
  const logger = common.child({ destination: name });
  if (scheduler.type !== "arq") throw new TypeError(`Destination ${name} has no queue`);
  const host = hostname();
  const states = stateDir ?? join(placesOf(config).privateDir, "performers", host);
  const home = await openPerformerHome(join(states, encodeURIComponent(name)), host);
  closers.push(() => home.release());
  logger.info("The performer has its place", { performer: home.performer, directory: home.directory });
  const copiesDir = join(placesOf(config).privateDir, "copies", home.performer);
  const here = localCommandRunner({ clock, logger });
  const dirac = diracClients({
    runner: here,
    ssh,
    environment: diracEnvironment(variables),
    // Its own, also where daemon and performers share a job root: each keeps its own proxy.
    stateDir: join(placesOf(config).privateDir, "performers", `dirac-${home.performer}`),
    clock,
    logger,
  });
  const workplace = buildWorkplace(fileSystem, { ssh, dirac, copiesDir, clock, logger });
  closers.push(() => workplace.close());
  const leaseMs = scheduler.heartbeatTimeoutS * 1000;
  const killGraceMs = Math.min(KILL_GRACE_MS, leaseMs / 3);
  const cgroups = openAttemptCgroups(home.controlDir);
  const environment = commandEnvironment(variables, config.commandEnvironment);
  const { sandbox } = scheduler;
  if (sandbox !== undefined) {
    // Or it would take one job after the other, each of which fails.
    const tried = await probeSandbox(sandbox, here, environment, new AbortController().signal);
    if (!tried.isOk) throw new BartenderError("sandbox", `Destination ${name}: ${tried.text}`);
  }
  const commands = memoryScheduler({
    controlDir: home.controlDir,
    environment,
    sandbox,
    cgroups,
    slots: scheduler.maxJobs,
    timeoutS: scheduler.jobTimeoutS,
    killGraceMs,
    // Nobody waits for an answer of a performer, and a thread would cost a fifth of its processor time.
    spawner: directSpawner(),
    clock,
    logger,
  });
  const runner = endingLeftovers(commands, { table: processTable("/proc", cgroups), cgroups, clock, logger });
  closers.push(() => runner.close());
  const queue = performerQueue({
    dsn: scheduler.redisDsn,
    tls: scheduler.tls,
    queue: scheduler.queue,
    performer: home.performer,
    leaseMs,
    about: {
      release: packageJson.version,
      destination: name,
      host,
      pid: process.pid,
      sinceMs: clock.nowMs(),
      capacity: scheduler.maxJobs,
    },
    // Where lost jobs run again, a second one may only begin when this one is certain to be over.
    isRefusalTrusted: rules.maxReruns === 0,
    settleMs,
    clock,
    logger,
  });
  closers.push(() => queue.close());
  const life = lifeFiles(home.directory, logger);
  closers.push(async () => life.close());
  if (home.records().length === 0) life.clear();
  // What an earlier life was about to start, it has started by now, or we do.
  for (const tag of life.starts()) life.forgetStart(tag);
  let untilMs = 0;
  if (life.isAvailable) {
    const stopGuard = keepGuard([home.directory, String(process.pid), String(killGraceMs)], { clock, logger });
    closers.push((isDrained) => stopGuard(!isDrained));
  }
  return {
    name,
    queue,
    runner,
    workplace,
    capacity: scheduler.maxJobs,
    endingMs: killGraceMs + leaseMs * SPARE_PART,
    hasRoom: freeRoom(home.directory, logger),
    records: async () => home.records(),
    mayLiveFor(ms) {
      if (!life.isAvailable) return;
      untilMs = life.nowMs() + ms + leaseMs * GUARD_PART;
      life.setUntilMs(untilMs);
    },
    mayStart(tag) {
      if (!life.isAvailable) return true;
      life.noteStart(tag);
      return life.nowMs() < untilMs;
    },
    startIsOver: (tag) => life.forgetStart(tag),
    noteEnding: (tag) => life.noteEnding(tag),
    wasEndedForUs: (tag) => life.wasEnded(tag),
  };
}

/**
 * Keeps a guard running beside us. It outlives us for as long as there is something to guard.
 *
 * @returns called once at our end; true: there is something to guard
 */
function keepGuard(
  args: readonly string[],
  { clock, logger }: Pick<PerformerInput, "clock" | "logger">,
): (isNeeded: boolean) => Promise<void> {
  let isStopped = false;
  let guard: ChildProcess | undefined;
  const start = (): void => {
    if (isStopped) return;
    const [program, ...first] = selfCommand(new URL("performer_guard.ts", import.meta.url).href);
    guard = spawn(program, [...first, ...args], {
      env: { PATH: process.env.PATH },
      detached: true,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const again = (reason: string): void => {
      if (isStopped) return;
      logger.warn("The guard of the performer has ended and is started again", { reason });
      clock.after(GUARD_PAUSE_MS, start);
    };
    guard.once("error", (error) => again(error.message));
    guard.once("exit", (status, signal) => again(`status ${status ?? signal}`));
    guard.unref();
  };
  start();
  return async (isNeeded) => {
    isStopped = true;
    if (isNeeded || guard?.pid === undefined || guard.exitCode !== null || guard.signalCode !== null) return;
    // It would end by itself soon, but until then systemd takes it for a process that was left over, and warns.
    const ended = new Promise<void>((resolve) => guard?.once("exit", () => resolve()));
    guard.ref();
    guard.kill("SIGKILL");
    await ended;
  };
}
