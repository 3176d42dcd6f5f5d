import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { type AdminServiceOptions, createAdminService } from "../actors/admin_service.ts";
import type { Destination } from "../actors/destination.ts";
import { DestinationModes } from "../actors/destination_modes.ts";
import { EventFeed, noteHealth, noteJobStep } from "../actors/event_feed.ts";
import type { JanitorOptions } from "../actors/janitor.ts";
import { type Find, JobDirectory } from "../actors/job_directory.ts";
import type { JobWorld } from "../actors/job_effects.ts";
import { createJobService } from "../actors/job_service.ts";
import { localCommandRunner } from "../adapters/command_runner/local.ts";
import { credentialsOf } from "../adapters/dirac/credentials_of.ts";
import { diracClients } from "../adapters/dirac/dirac_clients.ts";
import { diracEnvironment } from "../adapters/dirac/dirac_environment.ts";
import { buildFileSystem } from "../adapters/file_system/build.ts";
import { localJobFiles } from "../adapters/job_files/local_job_files.ts";
import { localLeftovers } from "../adapters/job_files/local_leftovers.ts";
import { openStores } from "../adapters/job_store/build.ts";
import type { BartenderMetrics } from "../adapters/metrics/bartender_metrics.ts";
import { openAttemptCgroups } from "../adapters/scheduler/attempt_cgroups.ts";
import { buildScheduler } from "../adapters/scheduler/build.ts";
import { commandEnvironment } from "../adapters/scheduler/command_environment.ts";
import { serviceUser } from "../adapters/ssh/service_user.ts";
import { sshPool } from "../adapters/ssh/ssh_pool.ts";
import type { DaemonInput } from "./cli/serve.ts";
import type { Config, DestinationConfig } from "./config/config.ts";
import { DEFAULT_BACKOFF } from "./core/backoff.ts";
import { type Job, placementOf } from "./core/job.ts";
import { type PythonDestination, settlePythonJob } from "./core/python_job.ts";
import { type LiveConfig, liveConfig } from "./live_config.ts";
import { placesOf } from "./places.ts";
import type { AdminService } from "./ports/admin_service.ts";
import type { CommandRunner } from "./ports/command_runner.ts";
import type { JobService } from "./ports/job_service.ts";
import type { Leftovers } from "./ports/leftovers.ts";
import { type HeldLocks, type Standby, takeWriterLocks } from "./writer_locks.ts";

/** How Slurm's commands find their cluster; harmless for all others. */
const SLURM_VARIABLES = ["SLURM_CONF"];

/** Everything that works below the actors, with the right to write. */
export interface Assembly {
  readonly world: JobWorld;
  readonly directory: JobDirectory;
  readonly leftovers: Leftovers;
  readonly locks: HeldLocks;
  /** What {@link Assembly.world} follows. */
  readonly live: LiveConfig;
  readonly built: BuiltDestinations;
  /** What happens, for administrators who look on. */
  readonly feed: EventFeed;
  /** What administrators may ask of the actors. */
  adminFor(parts: Pick<AdminServiceOptions, "find" | "jobs" | "process" | "inspect" | "reload">): AdminService;
  /** What edges and the janitor may ask of the actors that `find` finds. */
  serviceFor(find: Find): JobService;
  janitorFor(jobs: JobService): Omit<JanitorOptions, "intervals">;
  /** Lets go of everything, the right to write last. Idempotent. */
  close(): Promise<void>;
}

type Closeable = Pick<Destination["scheduler"] | Destination["fileSystem"], "close">;

/** The destinations of a configuration with their adapters, and what lets go of them. */
export interface BuiltDestinations {
  /** By name; a reload adds to them and takes away from them. */
  readonly destinations: Map<string, Destination>;
  /** Environment of all commands. */
  readonly commands: Readonly<Record<string, string>>;
  /** Runs commands on this machine. */
  readonly runner: CommandRunner;
  /** Builds one more, which is not among `destinations` by that. @throws when its settings cannot be used */
  open(name: string, settings: DestinationConfig): Promise<Destination>;
  /** Lets go of the adapters of a destination that nobody uses any more. Idempotent. */
  release(destination: Destination): Promise<void>;
  /** Releases all. */
  close(): Promise<void>;
}

/**
 * Builds the adapters of all destinations. Nothing is connected yet.
 *
 * @param instanceId names the daemon to performers; without it no job can be handed to them
 */
export async function buildDestinations(
  input: Pick<DaemonInput, "config" | "clock" | "logger" | "random" | "variables">,
  instanceId?: string,
  metrics?: BartenderMetrics,
): Promise<BuiltDestinations> {
  const { config, clock, logger, random, variables } = input;
  const { controlDir, incomingDir, diracDir } = placesOf(config);
  /** What is open, in the order of opening. */
  const open = new Set<Closeable>();
  const commands = commandEnvironment(variables, [...config.commandEnvironment, ...SLURM_VARIABLES]);
  const runner = localCommandRunner({ clock, logger });
  const ssh = sshPool({
    sources: { homeDirectory: homedir(), agentSocket: variables.SSH_AUTH_SOCK },
    serviceUser,
    clock,
    logger,
    random,
  });
  const dirac = diracClients({
    runner,
    ssh,
    environment: diracEnvironment(variables),
    stateDir: diracDir,
    clock,
    logger,
  });
  const cgroups = openAttemptCgroups(controlDir);
  logger.debug("How the processes of commands are found", { by: cgroups === undefined ? "mark" : "control group" });
  const surroundings = { controlDir, environment: commands, runner, ssh, dirac, cgroups, clock, logger };
  const build = async (name: string, settings: DestinationConfig): Promise<Destination> => {
    const scoped = { ...surroundings, logger: logger.child({ destination: name }) };
    const builtScheduler = await buildScheduler(settings, scoped);
    const scheduler = metrics?.measureScheduler(name, builtScheduler) ?? builtScheduler;
    open.add(scheduler);
    const onCopied = metrics?.staged.bind(metrics, name);
    // Performers have to know the place again.
    const mark = settings.scheduler.type === "arq" ? instanceId : undefined;
    const given = { incomingDir, ssh, dirac, clock, logger, onCopied, mark };
    const builtFileSystem = buildFileSystem(settings.fileSystem, given);
    const fileSystem = metrics?.measureFileSystem(name, builtFileSystem) ?? builtFileSystem;
    open.add(fileSystem);
    const { rules, backoff, poll } = settings;
    return { name, scheduler, fileSystem, credentials: credentialsOf(settings, dirac), rules, backoff, poll };
  };
  const closeOne = async (part: Closeable): Promise<void> => {
    if (open.delete(part)) await part.close();
  };
  const destinations = new Map<string, Destination>();
  for (const [name, settings] of config.destinations) destinations.set(name, await build(name, settings));
  return {
    destinations,
    commands,
    runner,
    open: build,
    async release({ scheduler, fileSystem }) {
      await closeOne(fileSystem);
      await closeOne(scheduler);
    },
    async close() {
      for (const part of [...open].toReversed()) await closeOne(part);
    },
  };
}

/**
 * Takes the writer locks, then opens the store and builds the adapters. Nothing acts yet.
 *
 * @param wrap put around what the effects of jobs work on; the daemon has nothing there, tests plant faults
 * @throws when any part cannot be had; the message says which setting is to blame, and nothing is left open
 */
export async function assemble(
  input: Omit<DaemonInput, "stopWaiting" | "readAgain" | "workingDirectory"> & {
    readonly standby: Standby | undefined;
    /** The configuration to begin with, asked for when the locks are there. Default: that of `config`. */
    readonly latest?: () => Promise<Config>;
    readonly metrics?: BartenderMetrics;
  },
  wrap: (world: JobWorld) => JobWorld = (world) => world,
): Promise<Assembly> {
  const { environment, clock, logger, random } = input;
  // A picker that cannot be loaded is told before any waiting.
  const first = await liveConfig(input.config, clock);
  const places = placesOf(input.config);
  const { jobRootDir, privateDir, uploadDir, controlDir, incomingDir } = places;
  for (const path of [privateDir, uploadDir, controlDir, incomingDir])
    await mkdir(path, { recursive: true, mode: 0o700 });
  const locks = await takeWriterLocks({ ...input, database: environment.database, lockFile: places.lockFile });
  const closers: (() => Promise<void>)[] = [() => locks.release()];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).toReversed()) await closeOne();
  };
  try {
    const config = (await input.latest?.()) ?? input.config;
    const live = config === input.config ? first : await liveConfig(config, clock);
    const { store: opened, admin } = await openStores(environment.database, {
      logger,
      clock,
      hasWriterThread: true,
      mayWrite: () => locks.areHeld(),
    });
    closers.push(() => opened.close());
    const store = input.metrics?.measureStore(opened) ?? opened;
    const built = await buildDestinations({ ...input, config }, store.instanceId, input.metrics);
    closers.push(() => built.close());
    const { destinations } = built;
    const feed = new EventFeed();
    const modes = new DestinationModes(await admin.modes());
    const orders = new Map(await admin.orders());
    const files = localJobFiles(jobRootDir, uploadDir);
    const world = wrap({
      get applications() {
        return live.config.applications;
      },
      ...{ destinations, picker: live.picker, files, store, modes, orders },
      picks: new Map(),
      onHealth: (...change) => noteHealth(feed, clock.nowMs(), ...change),
    });
    const directory = new JobDirectory({
      ...{ world, clock, logger, backoff: DEFAULT_BACKOFF, random },
      onStep: (id, job) => noteJobStep(feed, id, job, clock.nowMs()),
      settle: (job) => settlePythonJob(job, pythonDestination(job, live.config, destinations), clock.nowMs()),
    });
    const leftovers = localLeftovers(places);
    // Listed while nobody can submit, so whoever received these is gone.
    const abandonedUploads = new Set(await leftovers.uploads());
    return {
      ...{ world, live, built, directory, leftovers, locks, close },
      feed,
      adminFor: (parts) =>
        createAdminService({
          ...parts,
          ...{ world, orders, admin, inputs: files, directory, clock, feed, logLevel: input.logLevel },
        }),
      serviceFor: (find) => createJobService({ world, directory, find, clock, jobRootDir, uploadDir }),
      janitorFor: (jobs) => ({
        ...{ store, leftovers, directory, jobs, abandonedUploads },
        retention: () => live.config.retention,
      }),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a job that may come from the Python Bartender has to know about its destination. */
function pythonDestination(
  { progress }: Job,
  config: Config,
  destinations: ReadonlyMap<string, Destination>,
): PythonDestination | undefined {
  const name = placementOf(progress)?.destination ?? "";
  const type = config.destinations.get(name)?.scheduler.type;
  const destination = destinations.get(name);
  if (type === undefined || destination === undefined) return undefined;
  return { isStaged: destination.fileSystem.isStaged, isFollowable: type === "slurm" || type === "dirac" };
}
