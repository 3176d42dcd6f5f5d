import { type JobId, jobId } from "../src/core/ids.ts";
import type { Job } from "../src/core/job.ts";
import type { JobStore } from "../src/ports/job_store.ts";

/** How many rows are read at a time, so that many jobs neither fill the memory nor block the daemon. */
const BATCH = 500;

/** Every job that is not finished, lowest id first, read in batches. */
export async function* unfinishedJobs(store: Pick<JobStore, "unfinished">): AsyncGenerator<Job> {
  let after: JobId = jobId(0);
  for (;;) {
    const batch = await store.unfinished(after, BATCH);
    yield* batch;
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH) return;
    after = last.id;
  }
}
