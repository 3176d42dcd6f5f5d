import { type JobId, jobId } from "../src/core/ids.ts";
import type { Job } from "../src/core/job.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import type { Logger } from "../src/ports/logger.ts";
import { patiently, STORE_BACKOFF } from "./patience.ts";

/** How many rows are read at a time, so that many jobs neither fill the memory nor block the daemon. */
const BATCH = 500;

/** Every job that is not finished, lowest id first, read in batches. @throws {StoreUnavailableError} */
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

/** The same, but waits for a store that is away. @param signal ends the waiting; rejects with its reason then */
export function unfinishedJobsPatiently(
  store: Pick<JobStore, "unfinished">,
  context: { readonly clock: Clock; readonly logger: Logger },
  signal?: AbortSignal,
): AsyncGenerator<Job> {
  // Picked one by one: the context of an actor has getters only.
  const patience = { clock: context.clock, logger: context.logger, backoff: STORE_BACKOFF };
  return unfinishedJobs({
    unfinished: (after, limit) => patiently(patience, () => store.unfinished(after, limit), signal),
  });
}
