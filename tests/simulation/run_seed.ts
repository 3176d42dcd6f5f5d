import { destinationName } from "../../actors/messages.ts";
import { assertNever } from "../../src/core/assert_never.ts";
import { randomOf } from "../support/seeded_random.ts";
import { makeOutside, type Outside } from "./outside.ts";
import type { Incident } from "./plan.ts";
import { SimulatedDaemon } from "./simulated_daemon.ts";
import { settle } from "./simulated_time.ts";
import { SimulatedUsers } from "./simulated_users.ts";

/** Longest time that anything may take once the trouble is over. */
const CALM_MS = 3 * 3_600_000;
/** Longer than leftovers are kept that might be of use yet. */
const KEPT_MS = 26 * 3_600_000;
/** By then the janitor has been round. */
const ROUND_MS = 3_600_000;
/** How soon the service manager starts a daemon that has ended. */
const RESTART_MS = [0, 1_000, 5_000, 60_000] as const;
const OUTAGE_MS = [1_000, 30_000, 120_000] as const;
const CLOCK_MS = [-3_600_000, -1_000, 1_000, 86_400_000] as const;

/** What became of one run. */
export interface Run {
  readonly seed: number;
  /** What was broken, in the order in which it was noticed. */
  readonly violations: readonly string[];
  readonly jobs: number;
  readonly steps: number;
  /** Names of everything that the world has to offer and that this run has met: faults, incidents, phases, ends. */
  readonly met: ReadonlySet<string>;
}

/** Runs the world of one seed to its end. @param note gets each line of what happens */
export function runSeed(seed: number, note?: (line: string) => void): Promise<Run> {
  return new World(seed, note).run();
}

class World {
  readonly #seed: number;
  readonly #outside: Outside;
  readonly #users: SimulatedUsers;
  #daemon: SimulatedDaemon | undefined;
  #steps = 0;

  constructor(seed: number, note?: (line: string) => void) {
    this.#seed = seed;
    this.#outside = makeOutside(randomOf(seed), note);
    this.#users = new SimulatedUsers(this.#outside);
    this.#outside.trace(() => `plan ${JSON.stringify(this.#outside.chaos.plan)}`);
  }

  async run(): Promise<Run> {
    const { time, chaos, keeper } = this.#outside;
    const onRejection = (error: unknown): void => {
      keeper.note(`nobody caught ${error instanceof Error ? error.stack : error}`);
    };
    process.on("unhandledRejection", onRejection);
    try {
      this.#schedule();
      this.#launch();
      await this.#pass(chaos.plan.troubleMs, () => false);
      this.#calmDown();
      const deadlineMs = time.elapsedMs + CALM_MS;
      do {
        const isOver = await this.#pass(deadlineMs, () => this.#isSettled());
        if (!isOver) keeper.note("hours later not everything is done");
        // What was sent with the last step still has to arrive.
        await this.#pass(time.elapsedMs + 60_000, () => false);
      } while (keeper.violations.length === 0 && !this.#isSettled());
      keeper.checkEnds();
      await this.#checkDaemon();
      await this.#checkLeftOvers();
    } finally {
      this.#daemon?.kill();
      process.off("unhandledRejection", onRejection);
    }
    const { violations, records } = keeper;
    const met = new Set([...chaos.met, ...keeper.met]);
    return { seed: this.#seed, violations, jobs: records.size, steps: this.#steps, met };
  }

  /** Lets time pass until `untilMs`, until `isDone` or until the promise is broken. */
  async #pass(untilMs: number, isDone: () => boolean): Promise<boolean> {
    const { time, keeper } = this.#outside;
    await settle();
    while (keeper.violations.length === 0 && !isDone()) {
      if (!time.step(untilMs)) return false;
      this.#steps += 1;
      await settle();
    }
    return true;
  }

  #schedule(): void {
    const { time, chaos } = this.#outside;
    const { userCalls, troubleMs, incidents } = chaos.plan;
    for (let count = 0; count < userCalls; count++) {
      // Squared, so that most jobs have some time to go through trouble.
      time.after(Math.floor((chaos.random.int(1000) / 1000) ** 2 * troubleMs), () => this.#userCalls());
    }
    for (const { atMs, incident } of incidents) time.after(atMs, () => this.#happen(incident));
  }

  #userCalls(): void {
    const service = this.#daemon?.service;
    if (this.#daemon !== undefined && service !== undefined) void this.#users.call(this.#daemon, service);
  }

  #launch(): void {
    const { trace } = this.#outside;
    trace(() => "daemon starts");
    const daemon: SimulatedDaemon = new SimulatedDaemon(this.#outside, (reason) => {
      trace(() => `daemon ends by itself: ${reason instanceof Error ? reason.message : reason}`);
      this.#replace(daemon);
    });
    this.#daemon = daemon;
  }

  /** Ends a daemon's process, if it is the one that runs, and has another started. */
  #replace(daemon: SimulatedDaemon): void {
    if (this.#daemon !== daemon) return;
    const { time, chaos } = this.#outside;
    daemon.kill();
    this.#daemon = undefined;
    time.after(chaos.random.pick(RESTART_MS), () => this.#launch());
  }

  #happen(incident: Incident): void {
    const { time, chaos, trace, table, schedulers } = this.#outside;
    const { random } = chaos;
    const daemon = this.#daemon;
    if (chaos.isCalm || (daemon === undefined && incident !== "clock_set")) return;
    trace(() => `incident: ${incident}`);
    chaos.met.add(incident);
    switch (incident) {
      case "daemon_killed":
        if (daemon !== undefined) this.#replace(daemon);
        return;
      case "daemon_stopped":
        void daemon?.stop().then(() => this.#replace(daemon));
        return;
      case "job_actor_crashes":
      case "job_is_poisoned": {
        const job = table.all()[random.int(Math.max(1, table.all().length))];
        if (job !== undefined) daemon?.crashJob(job.id, incident === "job_is_poisoned" ? 10 : 1);
        return;
      }
      case "destination_actor_crashes":
        daemon?.crashDestination(schedulers[random.int(schedulers.length)]?.plan.name ?? "");
        return;
      case "store_outage":
        this.#outside.isStoreOut = true;
        time.after(random.pick(OUTAGE_MS), () => {
          this.#outside.isStoreOut = false;
        });
        return;
      case "scheduler_outage": {
        const scheduler = schedulers[random.int(schedulers.length)];
        if (scheduler === undefined) return;
        scheduler.isOut = true;
        time.after(random.pick(OUTAGE_MS), () => {
          scheduler.isOut = false;
        });
        return;
      }
      case "clock_set":
        return time.shiftWall(random.pick(CLOCK_MS));
      default:
        return assertNever(incident);
    }
  }

  /** From here on nothing fails any more. */
  #calmDown(): void {
    const { chaos, trace, schedulers } = this.#outside;
    trace(() => "calm");
    chaos.isCalm = true;
    this.#outside.isStoreOut = false;
    for (const scheduler of schedulers) scheduler.isOut = false;
  }

  #isSettled(): boolean {
    const { table, schedulers } = this.#outside;
    return (
      this.#daemon?.service !== undefined &&
      this.#daemon.openCalls === 0 &&
      table.all().every(({ progress }) => progress.phase === "finished") &&
      schedulers.every(({ living }) => living === 0)
    );
  }

  /** All slots are free, and no actor of a job is left. */
  async #checkDaemon(): Promise<void> {
    const { keeper, schedulers } = this.#outside;
    const system = this.#daemon?.system;
    if (keeper.violations.length > 0 || system === undefined) return;
    for (const { plan } of schedulers) {
      let held = Number.NaN;
      let waiting = Number.NaN;
      system.find(destinationName(plan.name))?.send({
        type: "describe",
        reply: (description) => {
          held = description.held;
          waiting = description.waiting;
        },
      });
      await settle();
      if (held !== 0 || waiting !== 0) keeper.note(`${plan.name} is left with ${held} slots held, ${waiting} waiting`);
    }
    const left = JSON.stringify(system.inspect()).match(/"id":"job:\d+"/g) ?? [];
    if (left.length > 0) keeper.note(`actors are left: ${left.join(" ")}`);
  }

  /** After one more start there is nothing that belongs to no job, and no job has changed. */
  async #checkLeftOvers(): Promise<void> {
    const { keeper, time, table } = this.#outside;
    const daemon = this.#daemon;
    if (keeper.violations.length > 0 || daemon === undefined) return;
    const before = JSON.stringify(table.all());
    let hasStopped = false;
    void daemon.stop().then(() => {
      hasStopped = true;
    });
    await this.#pass(time.elapsedMs + 60_000, () => hasStopped);
    if (!hasStopped) keeper.note("the daemon does not stop");
    this.#launch();
    await this.#pass(time.elapsedMs + 60_000, () => false);
    if (JSON.stringify(table.all()) !== before) keeper.note("a restart changed jobs that had ended");
    // The janitor takes its time for what might be of use yet.
    if (this.#leftOvers().length > 0) {
      time.shiftWall(KEPT_MS);
      await this.#pass(time.elapsedMs + ROUND_MS, () => false);
    }
    for (const leftOver of this.#leftOvers()) keeper.note(`${leftOver} is left`);
  }

  #leftOvers(): readonly string[] {
    const { keeper, table, files, schedulers } = this.#outside;
    const expected = new Set(table.all().map(({ id }) => files.local(id)));
    const paths = [...files.directories.keys(), ...files.partial].filter(
      (path) => !expected.has(path) && !files.abandoned.has(path) && !keeper.wasGivenUp(path),
    );
    // Only those that push keep records on this machine.
    const records = schedulers.flatMap(({ plan, attempts }) => (plan.canPush ? attempts.map(({ tag }) => tag) : []));
    return [...files.uploads.keys(), ...paths, ...records];
  }
}
