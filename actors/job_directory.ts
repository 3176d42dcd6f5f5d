import type { BackoffPolicy } from "../src/core/backoff.ts";
import { messageOf } from "../src/core/errors.ts";
import { type JobId, jobId } from "../src/core/ids.ts";
import { isFinished, type Job } from "../src/core/job.ts";
import { abandoned } from "../src/core/job_end.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Logger } from "../src/ports/logger.ts";
import { jobActor } from "./job_actor.ts";
import { endCommand, type JobWorld } from "./job_effects.ts";
import type { ActorFactory, ActorRef } from "./kernel/actor.ts";
import { actor, type DynamicChildren } from "./kernel/child_spec.ts";
import { type Name, nameOf } from "./kernel/registry.ts";
import { type JobMessage, jobName } from "./messages.ts";
import { unfinishedJobs } from "./unfinished_jobs.ts";

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
}

/** Finds and starts the actors of jobs. */
export class JobDirectory {
  readonly #options: JobDirectoryOptions;

  constructor(options: JobDirectoryOptions) {
    this.#options = options;
  }

  /** The actor of a job; started when there is none, from `known` or else from the store. */
  ensure(find: Find, id: JobId, known?: Job): ActorRef<JobMessage> {
    const name = jobName(id);
    const running = find(name);
    if (running !== undefined) return running;
    const children = find(JOBS);
    if (children === undefined) throw new Error("The supervisor of jobs is not running");
    const factory = jobActor(id, known, this.#options);
    return children.startChild(actor({ id: name, name, factory, restart: "transient" }));
  }

  /** Starts actors for all unfinished jobs of the store, one batch after the other, then calls `onRecovered`. */
  recovery(onRecovered: (jobs: number) => void): ActorFactory<{ readonly type: "recovered"; readonly jobs: number }> {
    return (ctx) => {
      const recover = async (signal: AbortSignal): Promise<number> => {
        let jobs = 0;
        for await (const job of unfinishedJobs(this.#options.world.store)) {
          signal.throwIfAborted();
          this.ensure((name) => ctx.find(name), job.id, job);
          jobs += 1;
        }
        return jobs;
      };
      let fault: unknown;
      ctx.run(
        recover,
        (jobs) => ({ type: "recovered", jobs }),
        (error) => {
          fault = error;
          return { type: "recovered", jobs: 0 };
        },
      );
      return {
        receive({ jobs }) {
          // Thrown here, in the mailbox, so that the supervisor tries again after a while.
          if (fault !== undefined) throw fault;
          onRecovered(jobs);
        },
      };
    };
  }

  /**
   * Ends a job whose actor crashed beyond its budget: whatever its command, the job is `error` with the reason.
   *
   * @param childId name of the actor, `job:<id>`
   */
  async giveUp(childId: string, lastFault: unknown): Promise<void> {
    const { world, clock, logger } = this.#options;
    const id = jobId(Number(childId.slice(childId.indexOf(":") + 1)));
    const reason = `Bartender gave the job up after repeated faults: ${messageOf(lastFault)}`;
    logger.error("A job was given up", { job: id, error: lastFault });
    const job = await world.store.get(id);
    // A removal that cannot be finished now is tried again at the next start; its user was told that it is under way.
    if (job === undefined || isFinished(job) || job.progress.phase === "deleting") return;
    await endCommand(world, job, new AbortController().signal);
    await world.files.appendReason(id, reason).catch((error: unknown) => {
      logger.warn("The reason could not be written to the job's stderr", { job: id, reason: messageOf(error) });
    });
    const nowMs = clock.nowMs();
    await world.store.save(abandoned(job, reason, nowMs), nowMs);
  }
}
