import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAdminService } from "../../actors/admin_service.ts";
import type { Destination, NeededCredentials } from "../../actors/destination.ts";
import { DestinationModes } from "../../actors/destination_modes.ts";
import { EventFeed, noteHealth } from "../../actors/event_feed.ts";
import type { JanitorOptions } from "../../actors/janitor.ts";
import { type Find, JobDirectory } from "../../actors/job_directory.ts";
import type { JobWorld } from "../../actors/job_effects.ts";
import { createJobService } from "../../actors/job_service.ts";
import { ActorSystem } from "../../actors/kernel/actor_system.ts";
import type { KernelEvent } from "../../actors/kernel/events.ts";
import { bartenderTree } from "../../actors/tree.ts";
import { localJobFiles } from "../../adapters/job_files/local_job_files.ts";
import { localLeftovers } from "../../adapters/job_files/local_leftovers.ts";
import { openStores } from "../../adapters/job_store/build.ts";
import type { JobId } from "../../src/core/ids.ts";
import type { Job, Phase } from "../../src/core/job.ts";
import { UNKNOWN_ORIGIN } from "../../src/core/job_origin.ts";
import { DEFAULT_RULES, type JobRules } from "../../src/core/job_rules.ts";
import { InputDigest } from "../../src/files/job_input.ts";
import type { AdminService } from "../../src/ports/admin_service.ts";
import type { JobOrder } from "../../src/ports/admin_store.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { JobFiles } from "../../src/ports/job_files.ts";
import type { JobService } from "../../src/ports/job_service.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import { anApplication } from "./application_builder.ts";
import { ManualClock } from "./manual_clock.ts";
import { type RecordingLogger, recordingLogger } from "./recording_logger.ts";
import { tempDir } from "./temp_dir.ts";

export interface ActorWorldOptions {
  readonly destinations: Readonly<
    Record<
      string,
      {
        readonly scheduler: Scheduler;
        readonly fileSystem?: FileSystem;
        readonly credentials?: Partial<NeededCredentials>;
        readonly rules?: Partial<JobRules>;
      }
    >
  >;
  readonly pick?: (job: { readonly jobDir: string; readonly application: string }) => string | Promise<string>;
  /** What the picker says of all jobs without a look at them. */
  readonly foresee?: string;
  /** Limit of the only application; default: none. */
  readonly maxRuntimeS?: number;
  /** Default: nobody cleans up. */
  readonly janitor?: Pick<JanitorOptions, "retention" | "intervals" | "onRound">;
  /** What the clock shows at first; for the age of real files, the real time. */
  readonly startMs?: number;
  /** For parts of the world that need it, too. Default: one that shows `startMs`. */
  readonly clock?: ManualClock;
  /** Wraps the real store, to let single calls fail. */
  readonly wrapStore?: (store: JobStore) => JobStore;
}

/** The real tree on a clock moved by hand, with the real SQLite store and real job directories. */
export interface ActorWorld extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly store: JobStore;
  readonly service: JobService;
  readonly admin: AdminService;
  readonly system: ActorSystem;
  readonly logger: RecordingLogger;
  readonly events: readonly KernelEvent[];
  readonly jobRootDir: string;
  readonly uploadDir: string;
  readonly controlDir: string;
  readonly orphanDir: string;
  readonly incomingDir: string;
  /** How many jobs the last start has recovered; undefined until it has. */
  readonly recovered: number | undefined;
  submit(submitter?: string, application?: string): Promise<Job>;
  /** Waits, with time standing still, until a job is in `phase`. */
  until(id: JobId, phase: Phase): Promise<Job>;
  /** Waits, with time standing still, until `condition` holds. */
  eventually(condition: () => boolean | Promise<boolean>): Promise<void>;
  /**
   * Lets time pass in steps of 10 ms until a job is in `phase`; `each` runs after every step. Real input and output
   * goes on meanwhile, so that far more time may pass on the clock than between two real events.
   */
  pass(id: JobId, phase: Phase, each?: () => void): Promise<Job>;
  /** Stops all actors and starts new ones on the same store. */
  restart(): Promise<void>;
}

export const LOCAL_FILES: FileSystem = {
  isStaged: false,
  locate: (_id, directory) => directory,
  async upload() {},
  async download() {},
  async remove() {},
  async close() {},
};

const BACKOFF = { initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0 };

const POLL = { shortestMs: 5_000, longestMs: 60_000 };

const ECHO = anApplication("echo", { command: { render: ({ text }) => `echo ${text ?? ""}` } });

/** `files` for which the clock waits. */
function patientFiles(files: JobFiles, clock: ManualClock): JobFiles {
  return {
    directory: (id) => files.directory(id),
    adopt: (upload, id) => clock.during(files.adopt(upload, id)),
    discard: (upload) => clock.during(files.discard(upload)),
    appendReason: (id, reason) => clock.during(files.appendReason(id, reason)),
    remove: (id) => clock.during(files.remove(id)),
  };
}

export async function actorWorld(options: ActorWorldOptions): Promise<ActorWorld> {
  const dir = tempDir();
  const [jobRootDir, uploadDir] = [join(dir.path, "jobs"), join(dir.path, "uploads")];
  const [controlDir, orphanDir] = [join(dir.path, "attempts"), join(dir.path, "orphans")];
  const incomingDir = join(dir.path, "incoming");
  for (const path of [jobRootDir, uploadDir, controlDir]) mkdirSync(path);
  const ownerFile = join(dir.path, "database");
  const clock = options.clock ?? new ManualClock(options.startMs);
  const logger = recordingLogger();
  const { store: opened, admin: adminStore } = await openStores(
    { kind: "sqlite", path: join(dir.path, "bartender.db") },
    { logger },
  );
  const store = options.wrapStore?.(opened) ?? opened;
  const destinations = new Map<string, Destination>(
    Object.entries(options.destinations).map(
      ([name, { scheduler, fileSystem = LOCAL_FILES, credentials = {}, rules }]) => [
        name,
        {
          name,
          scheduler,
          fileSystem,
          credentials: { scheduler: [], file_system: [], ...credentials },
          rules: { ...DEFAULT_RULES, ...rules },
          backoff: BACKOFF,
          poll: POLL,
        },
      ],
    ),
  );
  const orders = new Map<JobId, JobOrder>();
  const files = localJobFiles(jobRootDir, uploadDir);
  const feed = new EventFeed();
  const world: JobWorld = {
    onHealth: (...change) => noteHealth(feed, clock.nowMs(), ...change),
    applications: new Map([[ECHO.name, { ...ECHO, maxRuntimeS: options.maxRuntimeS ?? null }]]),
    destinations,
    picker: {
      pick: async (request) => (await options.pick?.(request)) ?? [...destinations.keys()][0] ?? "",
      foresee: () => options.foresee,
    },
    files: patientFiles(files, clock),
    store,
    modes: new DestinationModes(),
    picks: new Map(),
    orders,
  };
  const events: KernelEvent[] = [];
  let recovered: number | undefined;

  const launch = async (): Promise<Pick<ActorWorld, "system" | "service" | "admin">> => {
    recovered = undefined;
    // As a new daemon would read them.
    for (const mode of await adminStore.modes()) world.modes.note(mode);
    for (const [id, order] of await adminStore.orders()) orders.set(id, order);
    const directory = new JobDirectory({ world, clock, logger, backoff: BACKOFF, random: () => 0 });
    const find: Find = (name) => system.find(name);
    const service = createJobService({ world, directory, find, clock, jobRootDir, uploadDir });
    const leftovers = localLeftovers({ jobRootDir, uploadDir, controlDir, orphanDir, incomingDir, ownerFile });
    const abandonedUploads = new Set(await leftovers.uploads());
    const root = bartenderTree({
      world,
      directory,
      random: () => 0,
      onRecovered: (jobs) => {
        recovered = jobs;
      },
      ...(options.janitor === undefined
        ? {}
        : { janitor: { store, leftovers, directory, jobs: service, abandonedUploads, ...options.janitor } }),
    });
    const system = new ActorSystem({ root, clock, logger, onEvent: (event) => void events.push(event) });
    await system.start();
    await eventually(() => recovered !== undefined);
    const admin = createAdminService({
      ...{
        world,
        orders,
        admin: adminStore,
        directory,
        jobs: service,
        inputs: files,
        find,
        clock,
        feed,
      },
      process: {
        ...{ version: "1", runtime: "test", pid: 1, startedOnMs: clock.nowMs(), database: "test" },
        measure: () => ({ load: 0, cpus: 1, memoryBytes: 0 }),
      },
      logLevel: undefined,
      inspect: () => system.inspect(),
    });
    return { system, service, admin };
  };
  const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    for (const deadline = performance.now() + 5_000; performance.now() < deadline; ) {
      if (await condition()) return;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    throw new Error(`Still not so after 5 s\n${logger.lines.map((line) => JSON.stringify(line)).join("\n")}`);
  };
  let { system, service, admin } = await launch();
  let uploads = 0;

  return {
    clock,
    store,
    logger,
    events,
    jobRootDir,
    uploadDir,
    controlDir,
    orphanDir,
    incomingDir,
    get system() {
      return system;
    },
    get admin() {
      return admin;
    },
    get service() {
      return service;
    },
    get recovered() {
      return recovered;
    },
    submit(submitter = "alice", application = "echo") {
      const upload = `u${++uploads}`;
      mkdirSync(join(uploadDir, upload));
      const file = join(uploadDir, upload, "input.txt");
      writeFileSync(file, "input\n");
      const digest = new InputDigest();
      digest.add("input.txt", 6);
      const input = { digest: digest.toString(), sealedOnMs: statSync(file).ctimeMs };
      const origin = { ...UNKNOWN_ORIGIN, input };
      return service.submit({
        name: "input.zip",
        application,
        submitter,
        parameters: { text: "hello" },
        origin,
        upload,
      });
    },
    async until(id, phase) {
      let job: Job | undefined;
      await eventually(async () => {
        job = await store.get(id);
        return job?.progress.phase === phase;
      }).catch((error: unknown) => {
        throw new Error(`Job ${id} is ${job?.progress.phase ?? "gone"}, not ${phase}`, { cause: error });
      });
      if (job === undefined) throw new Error(`Job ${id} is gone`);
      return job;
    },
    eventually,
    async pass(id, phase, each) {
      let job: Job | undefined;
      await eventually(async () => {
        await clock.advance(10);
        each?.();
        job = await store.get(id);
        return job?.progress.phase === phase;
      });
      if (job === undefined) throw new Error(`Job ${id} is gone`);
      return job;
    },
    async restart() {
      await system.stop();
      ({ system, service, admin } = await launch());
    },
    async [Symbol.asyncDispose]() {
      const stopping = system.stop();
      // A handler that waits on the clock would hold the stop back until its deadline, which is on the clock too.
      await clock.advance(60_000);
      await stopping;
      await store.close();
      dir[Symbol.dispose]();
    },
  };
}
