import type { Cancellation, Job } from "../src/core/job.ts";
import type { JobWorld } from "./job_effects.ts";
import type { ActorContext } from "./kernel/actor.ts";
import type { JobMessage } from "./messages.ts";

/** Both times of a clock at one moment. */
export interface ClockReading {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** Timers of JavaScript cannot wait longer, 25 days; after that the rest is waited for. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

const TIMER = "max_runtime";

/**
 * Watches over `max_runtime` of one job, from its saved start on, so that a restart of the daemon changes nothing. In
 * between, the clock that never steps counts.
 */
export class RuntimeLimit {
  readonly #ctx: ActorContext<JobMessage>;
  readonly #world: JobWorld;
  #dueMs = Number.POSITIVE_INFINITY;
  /** The start that `#dueMs` was reckoned from. */
  #startedOnMs: number | undefined;

  constructor(ctx: ActorContext<JobMessage>, world: JobWorld) {
    this.#ctx = ctx;
    this.#world = world;
  }

  /**
   * To be called when the job has moved on: waits for the limit while the command runs, else for nothing.
   *
   * @param asOf what the clock said when that happened; the date may have been set since
   */
  arm(job: Job, asOf: ClockReading): void {
    const limitS = this.#limitS(job);
    if (job.progress.phase !== "running" || job.startedOnMs === null || limitS === null) {
      this.#startedOnMs = undefined;
      return this.#ctx.cancelTimer(TIMER);
    }
    if (job.startedOnMs !== this.#startedOnMs) {
      this.#startedOnMs = job.startedOnMs;
      // A start in the future is the work of a clock that was set back.
      const ageMs = Math.max(0, asOf.nowMs - job.startedOnMs);
      this.#dueMs = asOf.monotonicMs + limitS * 1000 - ageMs;
    }
    this.#wait();
  }

  /** The timer has come. @returns why the job is to be ended, unless it has to wait on */
  onDue(job: Job): Cancellation | undefined {
    const limitS = this.#limitS(job);
    if (limitS === null || job.progress.phase !== "running") return undefined;
    if (this.#ctx.clock.monotonicMs() < this.#dueMs) {
      this.#wait();
      return undefined;
    }
    return { reason: `Ran longer than max_runtime (${limitS} s)`, isDelete: false };
  }

  #wait(): void {
    const leftMs = this.#dueMs - this.#ctx.clock.monotonicMs();
    this.#ctx.startTimer(TIMER, Math.min(Math.max(0, leftMs), LONGEST_WAIT_MS), { type: "runtime_due" });
  }

  #limitS({ application, progress }: Job): number | null {
    const name = progress.phase === "running" ? progress.destination : undefined;
    const limits = [
      this.#world.applications.get(application)?.maxRuntimeS ?? null,
      name === undefined ? null : (this.#world.destinations.get(name)?.rules.maxRuntimeS ?? null),
    ].filter((limit) => limit !== null);
    return limits.length === 0 ? null : Math.min(...limits);
  }
}
