import type { JobId } from "../core/ids.ts";
import { isFinished, type Job } from "../core/job.ts";
import { authenticate } from "./authenticate.ts";
import type { EdgeContext, EdgeDeps } from "./edge.ts";
import { existingJobId, jobNotFound, ParameterCheck } from "./parameter_check.ts";
import { Refusal } from "./refusal.ts";

/** A request about a job of the caller. */
export interface JobRequest<Parameters> {
  readonly id: JobId;
  readonly job: Job;
  readonly username: string;
  readonly parameters: Parameters;
}

/**
 * Finds out about which job a request is, with the checks in the order that clients know: token, all parameters
 * together, existence and owner.
 *
 * @param read reads the parameters beside the job's number
 * @throws {Refusal} 403, 401, 422 or 404
 */
export async function requestedJob<Parameters>(
  c: EdgeContext,
  deps: EdgeDeps,
  read: (parameters: ParameterCheck) => Parameters,
): Promise<JobRequest<Parameters>> {
  const { username } = await authenticate(c, deps);
  const check = new ParameterCheck(c);
  const number = check.jobId();
  const parameters = read(check);
  check.finish();
  const id = existingJobId(number);
  const job = await deps.jobs.get(id, username);
  if (job === undefined) throw jobNotFound();
  return { id, job, username, parameters };
}

/** The same for a request that makes sense only when the job is done. @throws {Refusal} also 425 */
export async function completedJob<Parameters>(
  c: EdgeContext,
  deps: EdgeDeps,
  read: (parameters: ParameterCheck) => Parameters,
): Promise<JobRequest<Parameters>> {
  const request = await requestedJob(c, deps, read);
  if (!isFinished(request.job)) throw notCompleted();
  return request;
}

export function notCompleted(): Refusal {
  return new Refusal(425, "Job has not completed");
}

export function fileNotFound(): Refusal {
  return new Refusal(404, "File not found");
}
