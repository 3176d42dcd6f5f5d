import { SchedulerRefusedError, SchedulerUnavailableError } from "../../src/core/errors.ts";
import { type AttemptTag, type JobId, jobId, type SchedulerJobId, schedulerJobId } from "../../src/core/ids.ts";
import type { Outcome, SchedulerStatus } from "../../src/core/job.ts";
import type { JobDescription, Scheduler, StatusListener } from "../../src/ports/scheduler.ts";
import type { Chaos } from "./chaos.ts";
import type { CallFaults, Line } from "./line.ts";
import type { DestinationPlan } from "./plan.ts";
import type { PromiseKeeper } from "./promise_keeper.ts";
import type { SimulatedFiles } from "./simulated_files.ts";
import type { SimulatedTime } from "./simulated_time.ts";
import type { Tracer } from "./trace.ts";

/** One submission that the scheduler has accepted. */
export interface Attempt {
  readonly tag: AttemptTag;
  readonly job: JobId;
  readonly directory: string;
  /** On the clock on the wall. */
  readonly madeOnMs: number;
  id: SchedulerJobId;
  state: "queued" | "running" | "ended";
  /** When its state changed last. */
  changedMs: number;
  outcome: Outcome | undefined;
  isInterrupted: boolean;
  /** Told when it has ended. */
  readonly onEnded: (() => void)[];
}

const OUTCOMES: readonly [Outcome, ...Outcome[]] = [
  { isOk: true, returnCode: 0, reason: null },
  { isOk: true, returnCode: 0, reason: null },
  { isOk: false, returnCode: 7, reason: null },
  { isOk: false, returnCode: -9, reason: "Ended by signal 9" },
];
const LOST: Outcome = { isOk: false, returnCode: null, reason: "The node failed" };
const CANCELLED: Outcome = { isOk: false, returnCode: -15, reason: null };
const QUEUE_MS = [0, 0, 1, 20, 1_000, 10_000] as const;
const RUN_MS = [0, 1, 50, 1_000, 5_000, 20_000] as const;
const DIE_MS = [0, 0, 1, 500, 5_000] as const;
/** For how long a scheduler may not know a job that has just changed, and how far its news may be behind. */
const FORGETS_MS = 10_000;
const LAG_MS = 5_000;

/** A scheduler with its machines. It goes on whatever becomes of daemons, and runs a tag once. */
export class SimulatedScheduler {
  readonly plan: DestinationPlan;
  isOut = false;
  readonly #time: SimulatedTime;
  readonly #chaos: Chaos;
  readonly #trace: Tracer;
  readonly #files: SimulatedFiles;
  readonly #keeper: PromiseKeeper;
  readonly #attempts = new Map<AttemptTag, Attempt>();
  readonly #byId = new Map<SchedulerJobId, Attempt>();
  readonly #refused = new Set<AttemptTag>();
  readonly #listeners = new Set<StatusListener>();
  #lastId = 0;

  constructor(
    plan: DestinationPlan,
    outside: {
      readonly time: SimulatedTime;
      readonly chaos: Chaos;
      readonly trace: Tracer;
      readonly files: SimulatedFiles;
      readonly keeper: PromiseKeeper;
    },
  ) {
    this.plan = plan;
    this.#time = outside.time;
    this.#chaos = outside.chaos;
    this.#trace = outside.trace;
    this.#files = outside.files;
    this.#keeper = outside.keeper;
  }

  /** What it still keeps records of. */
  get attempts(): readonly Attempt[] {
    return [...this.#attempts.values()];
  }

  /** How many jobs it has that have not ended. */
  get living(): number {
    return this.attempts.filter(({ state }) => state !== "ended").length;
  }

  /** The scheduler as one daemon reaches it. */
  port(line: Line): Scheduler {
    const { name, canPush, capacity } = this.plan;
    const asked = <T>(what: string, act: () => T | Promise<T>, signal?: AbortSignal): Promise<T> =>
      line.call({
        name: `${what} at ${name}`,
        act,
        // A scheduler on the daemon's own machine does things within the call or not at all.
        faults: canPush ? FAULTS : REMOTE_FAULTS,
        makeFault: (message) => new SchedulerUnavailableError(message),
        isOut: () => this.isOut,
        survivesCut: !canPush,
        signal,
      });
    const polled: Scheduler = {
      capacity,
      submit: (job, tag, signal) => asked(`submit ${tag}`, () => this.#submit(job, tag), signal),
      find: (tag, signal) =>
        asked(
          `find ${tag}`,
          () => {
            const attempt = this.#attempts.get(tag);
            return attempt === undefined || this.#isForgotten(attempt) ? undefined : attempt.id;
          },
          signal,
        ),
      statuses: (ids, signal) => asked(`statuses of ${ids.join(" ")}`, () => this.#statuses(ids), signal),
      cancel: (id, signal) => {
        // Meant is the job that has this number now, not one that may get it later.
        const attempt = this.#byId.get(id);
        return asked(`cancel ${id}`, () => this.#cancel(attempt), signal);
      },
      async close() {},
    };
    if (!canPush) return polled;
    return {
      ...polled,
      forget: (id) => {
        const attempt = this.#byId.get(id);
        return asked(`forget ${id}`, () => this.#forget(attempt));
      },
      listen: (listener) => {
        const heard: StatusListener = (id, status) => {
          if (!line.isCut && !this.#chaos.hits("push_is_lost")) listener(id, status);
        };
        this.#listeners.add(heard);
        return () => this.#listeners.delete(heard);
      },
    };
  }

  /** Removes the record of an attempt behind the scheduler's back. */
  dropRecord(tag: string): void {
    const attempt = this.#attempts.get(tag as AttemptTag);
    if (attempt === undefined) return;
    this.#keeper.recordDropped(attempt);
    this.#attempts.delete(attempt.tag);
    this.#byId.delete(attempt.id);
  }

  #submit({ directory }: JobDescription, tag: AttemptTag): SchedulerJobId {
    const known = this.#attempts.get(tag);
    if (known !== undefined) return known.id;
    const job = jobId(Number(tag.split("-").at(-2)));
    // Who refuses a job for what it is refuses it every time.
    if (this.#refused.has(tag) || this.#chaos.hits("scheduler_refuses")) {
      this.#refused.add(tag);
      this.#keeper.excuse(job, "refused by the scheduler");
      throw new SchedulerRefusedError("Requested node configuration is not available");
    }
    if (!this.#files.directories.has(directory)) throw new SchedulerRefusedError(`${directory} is not there`);
    const id = this.#newId();
    const attempt: Attempt = {
      tag,
      job,
      directory,
      madeOnMs: this.#time.wallMs,
      id,
      state: "queued",
      changedMs: this.#time.elapsedMs,
      outcome: undefined,
      isInterrupted: false,
      onEnded: [],
    };
    this.#attempts.set(tag, attempt);
    this.#byId.set(id, attempt);
    this.#trace(() => `${this.plan.name} queues ${tag} as ${id}`);
    this.#keeper.attemptAccepted(attempt, this);
    this.#time.after(this.#chaos.random.pick(QUEUE_MS), () => this.#start(attempt));
    return id;
  }

  #start(attempt: Attempt): void {
    if (attempt.state !== "queued") return;
    const directory = this.#files.directories.get(attempt.directory);
    if (directory === undefined) return this.#end(attempt, { isOk: false, returnCode: null, reason: "No directory" });
    attempt.state = "running";
    attempt.changedMs = this.#time.elapsedMs;
    this.#trace(() => `${this.plan.name} runs ${attempt.tag}`);
    this.#keeper.commandStarted(attempt);
    this.#tell(attempt, { type: "running" });
    const isLost = this.#chaos.hits("command_is_lost");
    this.#time.after(this.#chaos.random.pick(RUN_MS), () => {
      if (attempt.state === "ended") return;
      attempt.isInterrupted = isLost;
      if (!isLost) directory.output = attempt.tag;
      this.#end(attempt, isLost ? LOST : this.#chaos.random.pick(OUTCOMES));
    });
  }

  #end(attempt: Attempt, outcome: Outcome): void {
    if (attempt.state === "ended") return;
    attempt.state = "ended";
    attempt.changedMs = this.#time.elapsedMs;
    attempt.outcome = outcome;
    this.#trace(() => `${this.plan.name} ended ${attempt.tag}: ${JSON.stringify(outcome)}`);
    this.#keeper.attemptEnded(attempt, outcome, outcome === CANCELLED);
    this.#tell(attempt, { type: "ended", outcome, isInterrupted: attempt.isInterrupted });
    for (const tell of attempt.onEnded.splice(0)) tell();
  }

  async #cancel(attempt: Attempt | undefined): Promise<void> {
    if (attempt === undefined || attempt.state === "ended") return;
    const ended = new Promise<void>((resolve) => attempt.onEnded.push(resolve));
    this.#time.after(this.#chaos.random.pick(DIE_MS), () => this.#end(attempt, CANCELLED));
    await ended;
  }

  #statuses(ids: readonly SchedulerJobId[]): ReadonlyMap<SchedulerJobId, SchedulerStatus> {
    const statuses = new Map<SchedulerJobId, SchedulerStatus>();
    for (const id of ids) {
      const attempt = this.#byId.get(id);
      if (attempt !== undefined && !this.#isForgotten(attempt)) statuses.set(id, this.#told(attempt));
    }
    return statuses;
  }

  #told(attempt: Attempt): SchedulerStatus {
    const ageMs = this.#time.elapsedMs - attempt.changedMs;
    if (ageMs < LAG_MS && this.#chaos.hits("statuses_lag")) {
      return { type: attempt.state === "ended" ? "running" : "queued" };
    }
    if (attempt.state === "running" && this.#chaos.hits("statuses_go_back")) return { type: "queued" };
    return attempt.state === "ended" && attempt.outcome !== undefined
      ? { type: "ended", outcome: attempt.outcome, isInterrupted: attempt.isInterrupted }
      : { type: attempt.state === "queued" ? "queued" : "running" };
  }

  #isForgotten(attempt: Attempt): boolean {
    if (this.plan.canPush || this.#time.elapsedMs - attempt.changedMs >= FORGETS_MS) return false;
    return this.#chaos.hits("scheduler_forgets");
  }

  #forget(attempt: Attempt | undefined): void {
    if (attempt?.state !== "ended" || this.#attempts.get(attempt.tag) !== attempt) return;
    this.#attempts.delete(attempt.tag);
    this.#byId.delete(attempt.id);
  }

  /** Numbers come back, but never while a daemon may still ask for the job that had one. */
  #newId(): SchedulerJobId {
    for (const attempt of this.#byId.values()) {
      if (this.plan.canPush || attempt.state !== "ended" || this.#keeper.isAskedFor(attempt.job)) continue;
      if (!this.#chaos.random.chance(0.5)) continue;
      this.#byId.delete(attempt.id);
      return attempt.id;
    }
    this.#lastId += 1;
    return schedulerJobId(String(this.#lastId));
  }

  #tell(attempt: Attempt, status: SchedulerStatus): void {
    for (const listener of this.#listeners) listener(attempt.id, status);
  }
}

const FAULTS: CallFaults = {
  away: "scheduler_is_away",
  answerLost: "scheduler_answer_lost",
  slow: "scheduler_is_slow",
};
const REMOTE_FAULTS: CallFaults = { ...FAULTS, late: "scheduler_acts_late" };
