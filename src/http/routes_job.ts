import { assertNever } from "../core/assert_never.ts";
import { MAX_JOB_ID } from "../core/ids.ts";
import { jsonAnswer } from "./answer.ts";
import { authenticate } from "./authenticate.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { jobToJson } from "./job_json.ts";
import { readJobName } from "./job_name.ts";
import { existingJobId, jobNotFound, ParameterCheck, requestedJobId } from "./parameter_check.ts";
import { Refusal } from "./refusal.ts";

const LIMIT = { default: 10, min: 0, max: 10_000 };
/** Nobody can have more jobs than there are job numbers. */
const OFFSET = { default: 0, min: 0, max: MAX_JOB_ID };

/** List, show, delete and rename the caller's jobs. */
export function jobRoutes(deps: EdgeDeps): readonly Route[] {
  const list = async (c: EdgeContext): Promise<Response> => {
    const { username } = await authenticate(c, deps);
    const parameters = new ParameterCheck(c);
    const limit = parameters.queryInteger("limit", LIMIT);
    const offset = parameters.queryInteger("offset", OFFSET);
    parameters.finish();
    const jobs = limit === 0 ? [] : await deps.jobs.list(username, limit, offset);
    return jsonAnswer(jobs.map(jobToJson));
  };

  const show = async (c: EdgeContext): Promise<Response> => {
    const { username } = await authenticate(c, deps);
    const job = await deps.jobs.get(requestedJobId(c), username);
    if (job === undefined) throw jobNotFound();
    return jsonAnswer(jobToJson(job));
  };

  const remove = async (c: EdgeContext): Promise<Response> => {
    const { username } = await authenticate(c, deps);
    const result = await deps.jobs.remove(requestedJobId(c), username);
    switch (result) {
      case "deleted":
        return new Response(null, { status: 204 });
      case "not_found":
        throw jobNotFound();
      case "in_transit":
        throw new Refusal(409, "Job cannot be deleted in its current state");
      default:
        return assertNever(result);
    }
  };

  const rename = async (c: EdgeContext): Promise<Response> => {
    const { username } = await authenticate(c, deps);
    const parameters = new ParameterCheck(c);
    const id = parameters.jobId();
    const name = await readJobName(c.req.raw, parameters);
    parameters.finish();
    if (!(await deps.jobs.rename(existingJobId(id), username, name))) throw jobNotFound();
    return jsonAnswer(null);
  };

  return [
    { method: "GET", path: "/api/job/", handle: list },
    { method: "GET", path: "/api/job/:jobid", handle: show },
    { method: "DELETE", path: "/api/job/:jobid", handle: remove },
    { method: "POST", path: "/api/job/:jobid/name", handle: rename },
  ];
}
