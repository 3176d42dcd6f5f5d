import { assertNever } from "../src/core/assert_never.ts";
import { BusyError, JobDirectoryError, TransferError } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import { isBeingDeleted, isFinished, type Job } from "../src/core/job.ts";
import type { JobAction, JobActionName, JobActionResult } from "../src/ports/admin_service.ts";
import type { AdminStore } from "../src/ports/admin_store.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { JobService } from "../src/ports/job_service.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import { selectJobs } from "./admin_search.ts";
import { askBriefly } from "./ask_briefly.ts";
import type { Find, JobDirectory } from "./job_directory.ts";
import { type JobMessage, jobName } from "./messages.ts";
import { isWorthResubmitting, type ResubmitParts, resubmit } from "./resubmit.ts";

export interface ActionParts extends ResubmitParts {
  readonly admin: AdminStore;
  readonly jobs: JobService;
  readonly store: Pick<JobStore, "get">;
  readonly directory: Pick<JobDirectory, "retries">;
  readonly find: Find;
  readonly clock: Clock;
  record(by: string, action: string, target: string, outcome: string): Promise<void>;
}

/** Far more than anybody would want to read; who means more filters again. */
const MOST_JOBS = 10_000;

/** What users are told; who it was is in the record. */
const BY = "an administrator";

type Outcome = Omit<JobActionResult, "id">;

const NOT_FOUND: Outcome = { result: "not_found", outcome: "There is no such job" };

/** Does something to each of many jobs, one after the other, and records each before the next. */
export async function actOnJobs(
  parts: ActionParts,
  request: JobAction,
  by: string,
): Promise<readonly JobActionResult[]> {
  const results: JobActionResult[] = [];
  for (const id of await chosen(parts, request)) {
    const job = await parts.store.get(id);
    const isThere = job !== undefined && !isBeingDeleted(job.progress);
    const outcome = isThere ? await one(parts, request, job) : NOT_FOUND;
    results.push({ id, ...outcome });
    if (!request.isDryRun) await parts.record(by, request.action, `job ${id}`, `${outcome.result}: ${outcome.outcome}`);
  }
  return results;
}

async function chosen(parts: ActionParts, { action, jobs }: JobAction): Promise<readonly JobId[]> {
  if (jobs.type === "ids") return jobs.ids;
  const views = await selectJobs(parts, { filter: jobs.filter, sort: "oldest", limit: MOST_JOBS });
  const meant: JobId[] = [];
  for (const { job } of views) if (await isMeant(parts, action, job)) meant.push(job.id);
  return meant;
}

/** Whether a job that only matches a filter is one to do this to. */
async function isMeant(parts: ActionParts, action: JobActionName, job: Job): Promise<boolean> {
  switch (action) {
    case "cancel":
      return !isFinished(job);
    case "delete":
      return true;
    case "retry":
      return parts.directory.retries.has(job.id) || (await isWorthResubmitting(parts, job));
    default:
      return assertNever(action);
  }
}

async function one(parts: ActionParts, { action, isDryRun }: JobAction, job: Job): Promise<Outcome> {
  try {
    switch (action) {
      case "cancel":
        return await cancel(parts, job, isDryRun);
      case "delete":
        return await remove(parts, job, isDryRun);
      case "retry":
        return await retry(parts, job, isDryRun);
      default:
        return assertNever(action);
    }
  } catch (error) {
    // A full disk and the like; the other jobs are not kept from it.
    const isRefusal =
      error instanceof BusyError || error instanceof TransferError || error instanceof JobDirectoryError;
    if (isRefusal) return { result: "refused", outcome: error.message };
    throw error;
  }
}

async function cancel({ jobs }: ActionParts, job: Job, isDryRun: boolean): Promise<Outcome> {
  if (isFinished(job)) return { result: "refused", outcome: "It has finished already" };
  if (isDryRun) return { result: "done", outcome: "Would be cancelled" };
  const { type } = await jobs.cancel(job.id, job.submitter, BY);
  switch (type) {
    case "cancelling":
      return { result: "done", outcome: "It is being cancelled" };
    case "not_found":
      return NOT_FOUND;
    case "finished":
      return { result: "refused", outcome: "It has finished already" };
    case "past_command":
      return { result: "refused", outcome: "Its command has ended already" };
    default:
      return assertNever(type);
  }
}

async function remove({ jobs }: ActionParts, job: Job, isDryRun: boolean): Promise<Outcome> {
  if (isDryRun) return { result: "done", outcome: "Would be deleted with all its files" };
  const answer = await jobs.remove(job.id, job.submitter, BY);
  switch (answer) {
    case "deleted":
      return { result: "done", outcome: "It is deleted" };
    case "not_found":
      return NOT_FOUND;
    case "in_transit":
      return { result: "refused", outcome: "Its files are being copied; try again later" };
    default:
      return assertNever(answer);
  }
}

async function retry(parts: ActionParts, job: Job, isDryRun: boolean): Promise<Outcome> {
  const { directory, find, clock } = parts;
  if (isFinished(job)) return await resubmit(parts, job, isDryRun);
  if (!directory.retries.has(job.id)) return { result: "refused", outcome: "It does not wait for another try" };
  if (isDryRun) return { result: "done", outcome: "Would be tried again at once" };
  const wasWaiting = await askBriefly<JobMessage, boolean>(
    find(jobName(job.id)),
    (reply) => ({ type: "retry_now", reply }),
    clock,
  );
  return wasWaiting === true
    ? { result: "done", outcome: "It is tried again now" }
    : { result: "refused", outcome: "It is being tried already" };
}
