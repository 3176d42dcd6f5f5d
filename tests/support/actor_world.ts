import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Destination } from "../../actors/destination.ts";
import { JobDirectory } from "../../actors/job_directory.ts";
import type { JobWorld } from "../../actors/job_effects.ts";
import { createJobService } from "../../actors/job_service.ts";
import { ActorSystem } from "../../actors/kernel/actor_system.ts";
import type { KernelEvent } from "../../actors/kernel/events.ts";
import { bartenderTree } from "../../actors/tree.ts";
import { localJobFiles } from "../../adapters/job_files/local_job_files.ts";
import { openJobStore } from "../../adapters/job_store/build.ts";
import type { Application } from "../../src/core/application.ts";
import type { JobId } from "../../src/core/ids.ts";
import type { Job, Phase } from "../../src/core/job.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { JobService } from "../../src/ports/job_service.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import { ManualClock } from "./manual_clock.ts";
import { type RecordingLogger, recordingLogger } from "./recording_logger.ts";
import { tempDir } from "./temp_dir.ts";

export interface ActorWorldOptions {
  readonly destinations: Readonly<Record<string, { readonly scheduler: Scheduler; readonly fileSystem?: FileSystem }>>;
  readonly pick?: (job: { readonly jobDir: string; readonly application: string }) => string;
  /** Wraps the real store, to let single calls fail. */
  readonly wrapStore?: (store: JobStore) => JobStore;
}

/** The real tree on a clock moved by hand, with the real SQLite store and real job directories. */
export interface ActorWorld extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly store: JobStore;
  readonly service: JobService;
  readonly system: ActorSystem;
  readonly logger: RecordingLogger;
  readonly events: readonly KernelEvent[];
  readonly jobRootDir: string;
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

const ECHO: Application = {
  name: "echo",
  summary: undefined,
  description: undefined,
  command: { render: ({ text }) => `echo ${text ?? ""}` },
  uploadNeeds: [],
  allowedRoles: [],
  inputSchema: undefined,
  validateForm: () => ({ isValid: true, value: {} }),
};

export async function actorWorld(options: ActorWorldOptions): Promise<ActorWorld> {
  const dir = tempDir();
  const [jobRootDir, uploadDir] = [join(dir.path, "jobs"), join(dir.path, "uploads")];
  mkdirSync(jobRootDir);
  mkdirSync(uploadDir);
  const clock = new ManualClock();
  const logger = recordingLogger();
  const opened = await openJobStore({ kind: "sqlite", path: join(dir.path, "bartender.db") }, { logger });
  const store = options.wrapStore?.(opened) ?? opened;
  const destinations = new Map<string, Destination>(
    Object.entries(options.destinations).map(([name, { scheduler, fileSystem = LOCAL_FILES }]) => [
      name,
      { name, scheduler, fileSystem },
    ]),
  );
  const world: JobWorld = {
    applications: new Map([[ECHO.name, ECHO]]),
    destinations,
    picker: { pick: async (request) => options.pick?.(request) ?? [...destinations.keys()][0] ?? "" },
    files: localJobFiles(jobRootDir, uploadDir),
    store,
  };
  const events: KernelEvent[] = [];
  let recovered: number | undefined;

  const launch = async (): Promise<{ readonly system: ActorSystem; readonly service: JobService }> => {
    recovered = undefined;
    const backoff = { initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0 };
    const directory = new JobDirectory({ world, clock, logger, backoff, random: () => 0 });
    const root = bartenderTree({
      world,
      directory,
      pollIntervals: { pollMs: 5_000, pushedPollMs: 60_000 },
      onRecovered: (jobs) => {
        recovered = jobs;
      },
    });
    const system = new ActorSystem({ root, clock, logger, onEvent: (event) => void events.push(event) });
    await system.start();
    const find = system.find.bind(system);
    const service = createJobService({ world, directory, find, clock, jobRootDir, uploadDir });
    await eventually(() => recovered !== undefined);
    return { system, service };
  };
  const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    for (const deadline = performance.now() + 5_000; performance.now() < deadline; ) {
      if (await condition()) return;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    throw new Error(`Still not so after 5 s\n${logger.lines.map((line) => JSON.stringify(line)).join("\n")}`);
  };
  let { system, service } = await launch();
  let uploads = 0;

  return {
    clock,
    store,
    logger,
    events,
    jobRootDir,
    get system() {
      return system;
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
      writeFileSync(join(uploadDir, upload, "input.txt"), "input\n");
      return service.submit({ name: "input.zip", application, submitter, parameters: { text: "hello" }, upload });
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
      ({ system, service } = await launch());
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
