import { BusyError, JobDirectoryTakenError } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import { holdsRunSlot, isBeingDeleted, isFinished, type Job, placementOf, schedulerJobIdOf } from "../src/core/job.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { CancelResult, DeleteResult, JobService } from "../src/ports/job_service.ts";
import { checkDestinationAnswers } from "./away_destinations.ts";
import { describeJobs } from "./describe_jobs.ts";
import type { Find, JobDirectory } from "./job_directory.ts";
import type { JobWorld } from "./job_effects.ts";
import { ask } from "./kernel/ask.ts";
import { ActorBusyError, ActorEndedError, AskTimeoutError } from "./kernel/errors.ts";
import type { JobMessage } from "./messages.ts";

export interface JobServiceOptions {
  readonly world: JobWorld;
  readonly directory: JobDirectory;
  readonly find: Find;
  readonly clock: Clock;
  readonly jobRootDir: string;
  readonly uploadDir: string;
}

/** How long a request to delete waits for the end of what runs; the removal goes on by itself after that. */
const DELETE_PATIENCE_MS = 20_000;

/** How long a request to cancel waits until the wish is saved. */
const CANCEL_PATIENCE_MS = 10_000;

/** How often a job is asked anew whose actor ended before it answered. */
const MAX_TRIES = 5;

/** How many numbers one submission skips; the next one goes on from there. */
const MAX_TAKEN = 1_000;

/** What the edges may ask, answered from the store where nothing has to change. */
export function createJobService(options: JobServiceOptions): JobService {
  const { world, directory, find, clock, uploadDir } = options;

  /** The job as its submitter may see it: one that is being removed does not exist any more. */
  const visible = async (id: JobId, submitter: string): Promise<Job | undefined> => {
    const job = await world.store.get(id);
    return job?.submitter === submitter && !isBeingDeleted(job.progress) ? job : undefined;
  };

  const askJob = async <R>(
    id: JobId,
    question: (reply: (answer: R) => void) => JobMessage,
    timeoutMs: number,
  ): Promise<R> => {
    try {
      return await ask<JobMessage, R>(directory.ensure(find, id, { type: "request" }), question, { clock, timeoutMs });
    } catch (error) {
      if (error instanceof ActorBusyError) throw new BusyError("The job has too many requests waiting");
      throw error;
    }
  };

  const whileSubmitting = async <R>(upload: string, work: () => Promise<R>): Promise<R> => {
    try {
      return await directory.whileSubmitting(upload, work);
    } catch (error) {
      // No job is going to ask for it.
      world.picks.delete(upload);
      throw error;
    }
  };

  /** Moves the upload in place, or undoes the row; then the job is accepted, and its actor started. */
  const begin = async (job: Job, upload: string): Promise<Job> => {
    try {
      await world.files.adopt(upload, job.id);
    } catch (error) {
      await world.store.remove(job.id);
      throw error;
    }
    directory.begin(find, job);
    return job;
  };

  /**
   * A database that was restored from a backup gives numbers anew whose directories are there. They are left alone, and
   * the job gets the next number.
   *
   * @param insert saves the row of a new job; undefined when there is to be none
   */
  const beginUnderFreeNumber = async <J extends Job | undefined>(
    insert: () => Promise<J>,
    upload: string,
  ): Promise<J | Job> => {
    for (let taken = 0; ; taken++) {
      const job = await insert();
      if (job === undefined) return job;
      try {
        return await begin(job, upload);
      } catch (error) {
        if (!(error instanceof JobDirectoryTakenError) || taken === MAX_TAKEN) throw error;
      }
    }
  };

  /** The removal goes on by itself when it is recorded; before that, it may be forgotten. */
  const recorded = async (id: JobId): Promise<DeleteResult> => {
    const job = await world.store.get(id);
    if (job === undefined || isBeingDeleted(job.progress)) return "deleted";
    throw new BusyError("The job is too busy, please try again later");
  };

  const askToDelete = async (id: JobId, by: string): Promise<DeleteResult> => {
    try {
      return await askJob<DeleteResult>(id, (reply) => ({ type: "delete", by, reply }), DELETE_PATIENCE_MS);
    } catch (error) {
      if (error instanceof AskTimeoutError) return await recorded(id);
      throw error;
    }
  };

  const askToCancel = async (id: JobId, by: string): Promise<CancelResult> => {
    try {
      return await askJob<CancelResult>(id, (reply) => ({ type: "cancel", by, reply }), CANCEL_PATIENCE_MS);
    } catch (error) {
      // It is going to be done, but a promise that is not saved is none.
      if (error instanceof AskTimeoutError) throw new BusyError("The job is too busy, please try again later");
      throw error;
    }
  };

  /** The actor of a job that finishes at this very moment may end before it answers; the next one knows the end. */
  const insist = async <R>(attempt: (tries: number) => Promise<R>): Promise<R> => {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt(tries);
      } catch (error) {
        if (!(error instanceof ActorEndedError) || tries === MAX_TRIES) throw error;
      }
    }
  };

  return {
    jobRootDir: options.jobRootDir,
    uploadDir,
    submit: (submission) =>
      whileSubmitting(submission.upload, () =>
        beginUnderFreeNumber(() => world.store.insert(submission, clock.nowMs()), submission.upload),
      ),
    submitOnce: (submission, once) =>
      whileSubmitting(submission.upload, async () => {
        for (;;) {
          const insert = (): Promise<Job | undefined> => world.store.insertOnce(submission, once, clock.nowMs());
          const job = await beginUnderFreeNumber(insert, submission.upload);
          if (job !== undefined) return { type: "submitted", job };
          const earlier = await world.store.keyed(submission.submitter, once.key);
          if (earlier === undefined) continue;
          world.picks.delete(submission.upload);
          return { type: "known", earlier };
          // Its job was removed in between, so that the key is free again.
        }
      }),
    checkDestination: (application, submitter, name) =>
      checkDestinationAnswers(
        { world, find, clock },
        {
          application,
          submitter,
          upload: name === undefined ? undefined : { name, directory: `${uploadDir}/${name}` },
        },
      ),
    keyed: (submitter, key) => world.store.keyed(submitter, key),
    hasAtLeast: (submitter, kind, count) => world.store.hasAtLeast(submitter, kind, count),
    get: visible,
    describe: (jobs) => describeJobs({ world, retries: directory.retries, find, clock }, jobs),
    async list(query) {
      const jobs: Job[] = [];
      // As many as were asked for, when there are: a short page is taken for the last one.
      for (let page = query; ; ) {
        const found = await world.store.list(page);
        jobs.push(...found.filter(({ progress }) => !isBeingDeleted(progress)));
        if (found.length < page.limit || jobs.length >= query.limit) return jobs;
        page = { ...query, offset: 0, before: found.at(-1)?.id, limit: query.limit - jobs.length };
      }
    },
    async rename(id, submitter, name) {
      return (await visible(id, submitter)) !== undefined && (await world.store.rename(id, name));
    },
    cancel: (id, submitter, by = submitter) =>
      insist(async () => {
        const job = await visible(id, submitter);
        if (job === undefined) return { type: "not_found" };
        return isFinished(job) ? { type: "finished" } : askToCancel(id, by);
      }),
    remove: (id, submitter, by = submitter) =>
      insist(async (tries) => {
        if ((await visible(id, submitter)) === undefined) return tries === 1 ? "not_found" : "deleted";
        return askToDelete(id, by);
      }),
    async history(id, submitter) {
      if ((await visible(id, submitter)) === undefined) return undefined;
      const entries = await world.store.history(id);
      // A removal may have begun meanwhile.
      const last = entries.at(-1);
      return last === undefined || last.phase === "deleting" ? undefined : entries;
    },
    watch: (id, wake) => directory.watchers.watch(id, wake),
    remoteLog(job) {
      const placement = placementOf(job.progress);
      const destination = placement === null ? undefined : world.destinations.get(placement.destination);
      if (destination === undefined || !holdsRunSlot(job.progress)) return undefined;
      const { fileSystem, scheduler } = destination;
      const readCopy = fileSystem.readFrom?.bind(fileSystem);
      const id = schedulerJobIdOf(job.progress);
      const ask = id === null || !fileSystem.isStaged ? undefined : scheduler.readFrom?.bind(scheduler, id);
      if (readCopy === undefined && ask === undefined) return undefined;
      const remote = fileSystem.locate(job.id, world.files.directory(job.id));
      return {
        read: async (...part) => (await ask?.(...part)) ?? (await readCopy?.(remote, ...part)),
      };
    },
    ping: () => world.store.ping(),
  };
}
