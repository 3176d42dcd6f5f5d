import type { Destination } from "../../actors/destination.ts";
import { DestinationModes } from "../../actors/destination_modes.ts";
import { healthName } from "../../actors/health_messages.ts";
import { type Find, JobDirectory } from "../../actors/job_directory.ts";
import type { JobWorld } from "../../actors/job_effects.ts";
import { createJobService } from "../../actors/job_service.ts";
import type { ActorRef } from "../../actors/kernel/actor.ts";
import { ActorSystem } from "../../actors/kernel/actor_system.ts";
import type { KernelEvent } from "../../actors/kernel/events.ts";
import type { Name } from "../../actors/kernel/registry.ts";
import { destinationName, jobName, pollerName, stagerName } from "../../actors/messages.ts";
import { bartenderTree } from "../../actors/tree.ts";
import { BartenderError } from "../../src/core/errors.ts";
import { type JobId, jobId } from "../../src/core/ids.ts";
import { DEFAULT_RULES } from "../../src/core/job_rules.ts";
import type { JobService } from "../../src/ports/job_service.ts";
import type { LogFields, Logger } from "../../src/ports/logger.ts";
import { anApplication } from "../support/application_builder.ts";
import { Line } from "./line.ts";
import type { Outside } from "./outside.ts";
import { reachStore } from "./reach_store.ts";
import { SHARED_FILES } from "./simulated_files.ts";
import type { SeveredClock } from "./simulated_time.ts";

const ECHO = anApplication("echo", { command: { render: () => "echo hello" } });

const BACKOFF = { initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.3 };
const POLL = { shortestMs: 5_000, longestMs: 20_000 };
const JANITOR = { firstMs: 60_000, everyMs: 1_800_000 };

type Victim = ReturnType<
  typeof jobName | typeof destinationName | typeof pollerName | typeof stagerName | typeof healthName
>;

/** One life of the daemon's process, made of the real actors. Killed, it never does anything again. */
export class SimulatedDaemon {
  readonly #outside: Outside;
  readonly #line: Line;
  readonly #clock: SeveredClock;
  readonly #system: ActorSystem;
  #service: JobService;
  #isServing = false;
  #isEnding = false;
  /** Calls of users that it has not answered. */
  openCalls = 0;

  /** @param onExit told when the process ends by itself */
  constructor(outside: Outside, onExit: (reason: unknown) => void) {
    this.#outside = outside;
    const { time, chaos, trace, files, schedulers } = outside;
    this.#line = new Line(time, chaos, trace);
    this.#clock = time.clockOfDaemon();
    const clock = this.#clock;
    const logger = this.#logger();
    const destinations = new Map<string, Destination>();
    for (const scheduler of schedulers) {
      const { name, isStaged, maxReruns } = scheduler.plan;
      const fileSystem = isStaged ? files.remote(name, this.#line) : SHARED_FILES;
      const rules = { ...DEFAULT_RULES, maxReruns };
      destinations.set(name, {
        name,
        scheduler: scheduler.port(this.#line),
        fileSystem,
        credentials: { scheduler: [], file_system: [] },
        rules,
        backoff: BACKOFF,
        poll: POLL,
      });
    }
    const world: JobWorld = {
      applications: new Map([[ECHO.name, { ...ECHO, maxRuntimeS: chaos.plan.maxRuntimeS }]]),
      destinations,
      picker: { pick: ({ jobDir }) => this.#pick(jobId(Number(jobDir.slice(jobDir.lastIndexOf("/") + 1)))) },
      files: files.jobFiles(this.#line),
      store: reachStore(outside, this.#line),
      modes: new DestinationModes(),
      picks: new Map(),
      orders: new Map(),
    };
    const random = (): number => chaos.random.int(1000) / 1000;
    const directory = new JobDirectory({ world, clock, logger, backoff: BACKOFF, random });
    const find: Find = (name) => this.#system.find(name);
    this.#service = createJobService({ world, directory, find, clock, jobRootDir: "/jobs", uploadDir: "/uploads" });
    const leftovers = files.leftovers(this.#line, schedulers);
    const janitor = { store: world.store, leftovers, directory, jobs: this.#service, intervals: JANITOR };
    const abandonedUploads = new Set(files.uploads.keys());
    const root = bartenderTree({
      world,
      directory,
      random,
      onRecovered: (jobs) => trace(() => `daemon has recovered ${jobs} jobs`),
      janitor: { ...janitor, abandonedUploads, retention: () => ({ defaultMs: null, applicationMs: new Map() }) },
    });
    this.#system = new ActorSystem({ root, clock, logger, onEvent: (event) => this.#onEvent(event) });
    void this.#system.failed.then(onExit);
    void this.#system.start().then(() => {
      this.#isServing = true;
    }, onExit);
  }

  /** What users reach; undefined while it starts and stops. */
  get service(): JobService | undefined {
    return this.#isServing && !this.#isEnding ? this.#service : undefined;
  }

  get system(): ActorSystem {
    return this.#system;
  }

  get pendingTimers(): number {
    return this.#clock.pending;
  }

  /** Ends it as `kill -9` does: from one moment to the next, with whatever is on its way. */
  kill(): void {
    this.#isEnding = true;
    this.#clock.sever();
    this.#line.cut();
  }

  /** Stops it as a service manager does; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#isEnding = true;
    await this.#system.stop();
    this.kill();
  }

  /** Makes the actor of a job crash, as a defect of its own would; `times` in a row, whatever it does about it. */
  crashJob(id: JobId, times: number): void {
    for (let count = 0; count < times; count++) {
      if (this.#crash(jobName(id))) this.#outside.keeper.crashed(id);
    }
  }

  /** Makes one of the actors of a destination crash. */
  crashDestination(name: string): void {
    const names: readonly [Victim, ...Victim[]] = [
      destinationName(name),
      pollerName(name),
      stagerName(name),
      healthName(name),
    ];
    this.#crash(this.#outside.chaos.random.pick(names));
  }

  /** No actor of the system understands this message. */
  #crash(name: Victim): boolean {
    const victim = this.#system.find(name as Name<ActorRef<unknown>>);
    return victim?.send({ type: "planted fault" }) === "delivered";
  }

  async #pick(id: JobId): Promise<string> {
    const { chaos, keeper, schedulers } = this.#outside;
    return await this.#line.call({
      name: `pick for ${id}`,
      act: () => {
        if (chaos.hits("picker_is_away")) throw new BartenderError("away", "no answer", { retryable: true });
        if (chaos.hits("picker_throws")) {
          keeper.excuse(id, "the picker threw");
          throw new Error("planted in the picker");
        }
        return schedulers[chaos.random.int(schedulers.length)]?.plan.name ?? "";
      },
      faults: {},
      makeFault: (message) => new Error(message),
      survivesCut: false,
    });
  }

  #onEvent(event: KernelEvent): void {
    const { keeper } = this.#outside;
    if (event.type === "gave_up" && event.path.includes("/jobs/job:")) {
      keeper.gaveUp(jobId(Number(event.path.slice(event.path.lastIndexOf(":") + 1))));
    }
    if (event.type === "dead_letter" && event.letter.reason === "mailbox_full") {
      keeper.note(`${event.path} had no room for ${event.letter.messageType}`);
    }
  }

  #logger(): Logger {
    const { trace } = this.#outside;
    const write = (message: string, fields: LogFields = {}): void => trace(() => `log: ${message} ${textOf(fields)}`);
    const logger: Logger = {
      isDebugging: () => false,
      debug: () => {},
      info: write,
      warn: write,
      error: write,
      child: () => logger,
    };
    return logger;
  }
}

function textOf(fields: LogFields): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value instanceof Error ? value.message : JSON.stringify(value)}`)
    .join(" ");
}
