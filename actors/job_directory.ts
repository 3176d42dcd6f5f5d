import { type BackoffPolicy, backoffMs } from "../src/core/backoff.ts";
import { BusyError, messageOf } from "../src/core/errors.ts";
import { type JobId, jobId } from "../src/core/ids.ts";
import { isBeingDeleted, isFinished, type Job, placementOf } from "../src/core/job.ts";
import { abandoned } from "../src/core/job_end.ts";
import type { PendingRetry } from "../src/core/job_reason.ts";
import { ABSENCES } from "../src/core/job_transition.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Logger } from "../src/ports/logger.ts";
import { type JobStart, jobActor } from "./job_actor.ts";
import { close, endCommand, type JobWorld } from "./job_effects.ts";
import { JobWatchers } from "./job_watchers.ts";
import type { ActorFactory, ActorRef } from "./kernel/actor.ts";
import { actor, type DynamicChildren } from "./kernel/child_spec.ts";
import { type Name, nameOf } from "./kernel/registry.ts";
import { destinationName, type JobMessage, jobName } from "./messages.ts";
import { pause } from "./patience.ts";
import { unfinishedJobsPatiently } from "./unfinished_jobs.ts";

/** The supervisor of all job actors. */
export const JOBS: Name<DynamicChildren> = nameOf("jobs");

/** Looks up what is registered under a name. */
export type Find = <T>(name: Name<T>) => T | undefined;

export interface JobDirectoryOptions {
  readonly world: JobWorld;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backoff: BackoffPolicy;
  readonly random: () => number;
  /** What becomes of an unfinished job before it is resumed; itself when nothing. Default: nothing. */
  readonly settle?: (job: Job) => Job;
  /** Told of each saved step of any job, and with undefined when its row is gone; must not throw. */
  readonly onStep?: (id: JobId, job: Job | undefined) => void;
}

/** Finds and starts the actors of jobs. */
export class JobDirectory {
  /** Woken by the actors of jobs. */
  readonly watchers = new JobWatchers();
  /** Jobs that wait for another try, noted by their actors. */
  readonly retries = new Map<JobId, PendingRetry>();
  readonly #options: JobDirectoryOptions;

  /** Uploads whose submission is under way: their rows get their actors from there. */
  readonly #submitting = new Set<string>();
  /** Jobs whose end is being brought about after their actor was given up; another one would get in its way. */
  readonly #givingUp = new Set<JobId>();
  /** Of the running tree. */
  #find: Find | undefined;
  /** Jobs that got an actor since the running recovery began; what it read of them may be outdated. */
  #fresh: Set<JobId> | undefined;

  constructor(options: JobDirectoryOptions) {
    this.#options = options;
  }

  /**
   * The actor of a job; started when there is none.
   *
   * @throws {BusyError} while the job is being given up
   */
  ensure(find: Find, id: JobId, start: JobStart): ActorRef<JobMessage> {
    const name = jobName(id);
    const running = find(name);
    if (running !== undefined) return running;
    if (this.#givingUp.has(id)) throw new BusyError("The job is being ended after repeated faults");
    const children = find(JOBS);
    if (children === undefined) throw new Error("The supervisor of jobs is not running");
    const factory = jobActor(id, start, {
      ...this.#options,
      watchers: this.watchers,
      retries: this.retries,
    });
    // The request that the job came with is named in the lines about it.
    const logFields = { job: id, ...(start.type === "known" ? start.job.origin.trace : {}) };
    const ref = children.startChild(actor({ id: name, name, factory, restart: "transient", logFields }));
    this.#fresh?.add(id);
    return ref;
  }

  /** Runs the submission of an upload; recovery leaves its row alone meanwhile. */
  async whileSubmitting<T>(upload: string, submission: () => Promise<T>): Promise<T> {
    this.#submitting.add(upload);
    try {
      return await submission();
    } finally {
      this.#submitting.delete(upload);
    }
  }

  /** Starts the actor of a job that was just saved. When that cannot be done now, the next start does it. */
  begin(find: Find, job: Job): void {
    try {
      this.ensure(find, job.id, { type: "known", job });
    } catch (error) {
      this.#options.logger.warn("A new job has to wait for its actor", {
        job: job.id,
        ...job.origin.trace,
        reason: messageOf(error),
      });
    }
  }

  /** Starts actors for all unfinished jobs of the store, one batch after the other, then calls `onRecovered`. */
  recovery(onRecovered: (jobs: number) => void): ActorFactory<{ readonly type: "recovered"; readonly jobs: number }> {
    return (ctx) => {
      const find: Find = (name) => ctx.find(name);
      const recover = async (signal: AbortSignal): Promise<number> => {
        let jobs = 0;
        for await (const job of unfinishedJobsPatiently(this.#options.world.store, ctx, signal)) {
          signal.throwIfAborted();
          if (this.isLookedAfter(find, job)) continue;
          const settled = await this.#settled(job);
          this.ensure(find, job.id, this.#fresh?.has(job.id) ? { type: "continue" } : { type: "known", job: settled });
          jobs += 1;
        }
        return jobs;
      };
      let fault: unknown;
      this.#find = find;
      this.#fresh = new Set();
      ctx.run(
        recover,
        (jobs) => ({ type: "recovered", jobs }),
        (error) => {
          fault = error;
          return { type: "recovered", jobs: 0 };
        },
      );
      return {
        receive: ({ jobs }) => {
          // Thrown here, in the mailbox, so that the supervisor tries again after a while.
          if (fault !== undefined) throw fault;
          this.#fresh = undefined;
          onRecovered(jobs);
        },
      };
    };
  }

  /** Whether a job has an actor, is getting one, or is being given up. */
  isLookedAfter(find: Find, { id, progress }: Job): boolean {
    if (find(jobName(id)) !== undefined || this.#givingUp.has(id)) return true;
    return progress.phase === "accepted" && this.#submitting.has(progress.upload);
  }

  async #settled(job: Job): Promise<Job> {
    const { settle, world, clock } = this.#options;
    const settled = settle?.(job) ?? job;
    return settled === job ? job : await world.store.save(settled, clock.nowMs());
  }

  /**
   * Ends a job whose actor crashed beyond its budget: whatever its command, the job is `error` with the reason.
   *
   * @param childId name of the actor, `job:<id>`
   */
  async giveUp(childId: string, lastFault: unknown): Promise<void> {
    const id = jobId(Number(childId.slice(childId.indexOf(":") + 1)));
    this.#givingUp.add(id);
    try {
      await this.#giveUp(id, lastFault);
    } finally {
      this.#givingUp.delete(id);
    }
  }

  async #giveUp(id: JobId, lastFault: unknown): Promise<void> {
    const { world, clock, logger } = this.#options;
    const reason = `Bartender gave the job up after repeated faults: ${messageOf(lastFault)}`;
    logger.error("A job was given up", { job: id, error: lastFault });
    const job = await world.store.get(id);
    // A removal that cannot be finished now is tried again later; its user was told that it is under way.
    if (job === undefined || isFinished(job) || isBeingDeleted(job.progress)) return;
    await this.#endCommand(job);
    const placement = placementOf(job.progress);
    await close(world, job, placement, reason, new AbortController().signal).catch((error: unknown) => {
      logger.warn("A job that was given up could not be tidied up", { job: id, reason: messageOf(error) });
    });
    const nowMs = clock.nowMs();
    const saved = await world.store.save(abandoned(job, reason, nowMs), nowMs);
    this.watchers.wake(id);
    this.#options.onStep?.(id, saved);
    // Its slot stayed taken, as nobody else could know that its command has ended.
    if (placement !== null) this.#find?.(destinationName(placement.destination))?.send({ type: "release_slot", id });
  }

  /** A submission whose answer never came is looked for as long as a job that is cancelled would look for it. */
  async #endCommand(job: Job): Promise<void> {
    const { world, clock, backoff, random } = this.#options;
    const { signal } = new AbortController();
    for (let absences = 1; ; absences++) {
      const isEnded = await endCommand(world, job, signal);
      if (isEnded || absences === ABSENCES) return;
      await pause(clock, backoffMs(backoff, absences, random()));
    }
  }
}
