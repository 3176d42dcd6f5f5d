import { expect } from "bun:test";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { JobId } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { newJob } from "../conformance/job_store_samples.ts";
import { T0 } from "./job_builder.ts";

const WORKERS = 12;
const SAVES = 3;
const PAUSE_MS = 10;

/** Submits jobs and saves their steps as actors do: a save that fails is repeated until it is answered. */
export interface StoreLoad {
  /** Jobs that were brought to their end. */
  readonly done: number;
  /** Calls that were answered by {@link StoreUnavailableError}. */
  readonly refusals: number;
  /** Lets every job that was begun come to its end. */
  stop(): Promise<void>;
  /** Every job that was accepted is there with each of its steps once, and no other. */
  check(): Promise<void>;
}

export function startLoad(store: JobStore): StoreLoad {
  const finished = new Map<JobId, Job>();
  let [refusals, isStopping] = [0, false];

  const refused = async (error: unknown): Promise<void> => {
    if (!(error instanceof StoreUnavailableError)) throw error;
    refusals++;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  };
  const save = async (job: Job): Promise<Job> => {
    for (;;) {
      try {
        return await store.save(job, T0);
      } catch (error) {
        await refused(error);
      }
    }
  };
  const work = async (): Promise<void> => {
    while (!isStopping) {
      let job: Job;
      try {
        job = await store.insert(newJob(), T0);
      } catch (error) {
        await refused(error);
        continue;
      }
      for (let step = 1; step <= SAVES; step++) job = await save({ ...job, attempt: step });
      finished.set(job.id, job);
    }
  };
  const workers = Promise.all(Array.from({ length: WORKERS }, work));
  // Looked at when the load is stopped.
  workers.catch(() => {});

  return {
    get done() {
      return finished.size;
    },
    get refusals() {
      return refusals;
    },
    async stop() {
      isStopping = true;
      await workers;
    },
    async check() {
      const jobs = await store.list({ submitter: "someone", limit: 1_000_000, offset: 0 });
      expect(jobs.map((job) => Number(job.id)).sort((a, b) => a - b)).toEqual(
        [...finished.keys()].map(Number).sort((a, b) => a - b),
      );
      for (const job of jobs) {
        expect(job).toEqual(finished.get(job.id) as Job);
        const lines = await store.history(job.id);
        expect(lines.map(({ version, attempt }) => [version, attempt])).toEqual(
          Array.from({ length: SAVES + 1 }, (_, step) => [step + 1, step]),
        );
      }
    },
  };
}
