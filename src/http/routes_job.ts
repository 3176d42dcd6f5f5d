import { assertNever } from "../core/assert_never.ts";
import type { Job } from "../core/job.ts";
import { absoluteUrl } from "./absolute_url.ts";
import { jsonAnswer } from "./answer.ts";
import { authenticate } from "./authenticate.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { historyToJson, type JobJson, jobToJson } from "./job_json.ts";
import { listRequest, nextPage } from "./job_list.ts";
import { readJobName } from "./job_name.ts";
import { existingJobId, jobNotFound, ParameterCheck, requestedJobId } from "./parameter_check.ts";
import { Refusal } from "./refusal.ts";

/** List, show, cancel, delete and rename the caller's jobs, and tell their history. */
export function jobRoutes(deps: EdgeDeps): readonly Route[] {
  const list = async (c: EdgeContext): Promise<Response> => {
    const { username } = await authenticate(c, deps);
    const request = listRequest(c);
    const { limit } = request;
    // One more than is shown tells whether there is another page.
    const found = limit === 0 ? [] : await deps.jobs.list({ ...request, submitter: username, limit: limit + 1 });
    const jobs = found.slice(0, limit);
    const last = found.length > limit ? jobs.at(-1) : undefined;
    const link =
      last === undefined ? {} : { link: `<${absoluteUrl(c, deps, nextPage(request, last.id))}>; rel="next"` };
    return jsonAnswer((await deps.jobs.describe(jobs)).map(jobToJson), 200, link);
  };

  const shown = async (job: Job): Promise<JobJson | undefined> => (await deps.jobs.describe([job])).map(jobToJson)[0];

  const show = async (c: EdgeContext): Promise<Response> => {
    const { username } = await authenticate(c, deps);
    const job = await deps.jobs.get(requestedJobId(c), username);
    if (job === undefined) throw jobNotFound();
    return jsonAnswer(await shown(job));
  };

  const history = async (c: EdgeContext): Promise<Response> => {
    const { username } = await authenticate(c, deps);
    const entries = await deps.jobs.history(requestedJobId(c), username);
    if (entries === undefined) throw jobNotFound();
    return jsonAnswer(entries.map(historyToJson));
  };

  const cancel = async (c: EdgeContext): Promise<Response> => {
    const { username } = await authenticate(c, deps);
    const result = await deps.jobs.cancel(requestedJobId(c), username);
    switch (result.type) {
      case "cancelling":
        return jsonAnswer(await shown(result.job), 202);
      case "not_found":
        throw jobNotFound();
      case "finished":
        throw new Refusal(409, "Job has finished already");
      case "past_command":
        throw new Refusal(409, "Job cannot be cancelled any more, it is past its command");
      default:
        return assertNever(result);
    }
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
    const name = await readJobName(c.req.raw, parameters, deps.clock);
    parameters.finish();
    if (!(await deps.jobs.rename(existingJobId(id), username, name))) throw jobNotFound();
    return jsonAnswer(null);
  };

  return [
    { method: "GET", path: "/api/job/", handle: list },
    { method: "GET", path: "/api/job/:jobid", handle: show },
    { method: "GET", path: "/api/job/:jobid/history", handle: history },
    { method: "POST", path: "/api/job/:jobid/cancel", handle: cancel },
    { method: "DELETE", path: "/api/job/:jobid", handle: remove },
    { method: "POST", path: "/api/job/:jobid/name", handle: rename },
  ];
}
