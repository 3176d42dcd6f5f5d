import { BusyError, JobDirectoryError } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import type { Job } from "../src/core/job.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { DeleteResult, JobService } from "../src/ports/job_service.ts";
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

/** What the edges may ask, answered from the store where nothing has to change. */
export function createJobService(options: JobServiceOptions): JobService {
  const { world, directory, find, clock } = options;

  /** The job as its submitter may see it: one that is being removed does not exist any more. */
  const visible = async (id: JobId, submitter: string): Promise<Job | undefined> => {
    const job = await world.store.get(id);
    return job?.submitter === submitter && job.progress.phase !== "deleting" ? job : undefined;
  };

  const askToDelete = async (id: JobId, submitter: string): Promise<DeleteResult> => {
    const ref = directory.ensure(find, id);
    try {
      return await ask<JobMessage, DeleteResult>(ref, (reply) => ({ type: "delete", by: submitter, reply }), {
        clock,
        timeoutMs: DELETE_PATIENCE_MS,
      });
    } catch (error) {
      if (error instanceof AskTimeoutError) return "deleted";
      if (error instanceof ActorBusyError) throw new BusyError("The job has too many requests waiting");
      throw error;
    }
  };

  return {
    jobRootDir: options.jobRootDir,
    uploadDir: options.uploadDir,
    async submit(submission) {
      const job = await world.store.insert(submission, clock.nowMs());
      try {
        await world.files.adopt(submission.upload, job.id);
        directory.ensure(find, job.id, job);
      } catch (error) {
        await world.store.remove(job.id);
        if (!(error instanceof JobDirectoryError)) await world.files.remove(job.id);
        throw error;
      }
      return job;
    },
    get: visible,
    list: (submitter, limit, offset) => world.store.list({ submitter, limit, offset }),
    async rename(id, submitter, name) {
      return (await visible(id, submitter)) !== undefined && (await world.store.rename(id, name));
    },
    async remove(id, submitter) {
      // The actor of a job that finishes at this very moment may end before it answers; the next one knows the end.
      for (let tries = 1; ; tries++) {
        if ((await visible(id, submitter)) === undefined) return tries === 1 ? "not_found" : "deleted";
        try {
          return await askToDelete(id, submitter);
        } catch (error) {
          if (!(error instanceof ActorEndedError) || tries === 5) throw error;
        }
      }
    },
    ping: () => world.store.ping(),
  };
}
