import { isBeingDeleted, type Job, type PublicState } from "../src/core/job.ts";
import type { AdminJobQuery, JobSort } from "../src/ports/admin_service.ts";
import type { AdminStore } from "../src/ports/admin_store.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { JobService, JobView } from "../src/ports/job_service.ts";

const UNFINISHED: ReadonlySet<PublicState> = new Set(["new", "queued", "running", "staging_out"]);

/** Jobs that match, in the order that is asked for, as they are at this moment. */
export async function selectJobs(
  { admin, jobs, clock }: { readonly admin: AdminStore; readonly jobs: JobService; readonly clock: Clock },
  { filter, sort, limit }: AdminJobQuery,
): Promise<readonly JobView[]> {
  const nowMs = clock.nowMs();
  const found: JobView[] = [];
  const search = admin.search({
    filter,
    sinceMs: filter.youngerThanMs === 0 ? 0 : nowMs - filter.youngerThanMs,
    // Clocks of other machines may have been ahead.
    untilMs: filter.olderThanMs === 0 ? nowMs + A_DAY_MS : nowMs - filter.olderThanMs,
    isUnfinishedOnly: filter.states.length > 0 && filter.states.every((state) => UNFINISHED.has(state)),
    order: sort === "oldest" ? "oldest" : "newest",
  });
  const wanted = filter.reason.toLowerCase();
  for await (const page of search) {
    const listed = page.filter(({ progress }) => !isBeingDeleted(progress));
    // What an unfinished job waits for is not in the store, so that it can only be looked for here.
    const room = wanted === "" ? listed.slice(0, limit - found.length) : listed;
    const views = await jobs.describe(room);
    found.push(...views.filter(({ reason }) => wanted === "" || (reason ?? "").toLowerCase().includes(wanted)));
    if (found.length >= limit) break;
  }
  return found.slice(0, limit).sort(ORDERS[sort]);
}

const A_DAY_MS = 86_400_000;

type Order = (a: JobView, b: JobView) => number;

const by =
  (key: (job: Job) => string): Order =>
  (a, b) =>
    compare(key(a.job), key(b.job)) || b.job.id - a.job.id;

const ORDERS: Readonly<Record<JobSort, Order>> = {
  newest: (a, b) => b.job.id - a.job.id,
  oldest: (a, b) => a.job.id - b.job.id,
  state: by(({ progress }) => progress.phase),
  destination: by(({ progress }) => ("destination" in progress ? progress.destination : "")),
  application: by(({ application }) => application),
  submitter: by(({ submitter }) => submitter),
};

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
