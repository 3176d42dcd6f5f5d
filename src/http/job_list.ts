import { jobId, MAX_JOB_ID } from "../core/ids.ts";
import { PUBLIC_STATES } from "../core/job.ts";
import type { JobFilter, JobListQuery } from "../ports/job_store.ts";
import type { EdgeContext } from "./edge.ts";
import { ParameterCheck, textFault } from "./parameter_check.ts";

const LIMIT = { default: 10, min: 0, max: 10_000 };
/** Nobody can have more jobs than there are job numbers. */
const OFFSET = { default: 0, min: 0, max: MAX_JOB_ID };
/** Width of the columns that are looked in. */
const MAX_TEXT_LENGTH = 200;
/** Each is looked up by itself. */
const MAX_APPLICATIONS = 20;

/** What of the caller's jobs is listed. */
export type ListRequest = Omit<JobListQuery, "submitter"> & { readonly filter: JobFilter };

/** @throws {Refusal} 422 with all faults of the query */
export function listRequest(c: EdgeContext): ListRequest {
  const parameters = new ParameterCheck(c);
  const limit = parameters.queryInteger("limit", LIMIT);
  const offset = parameters.queryInteger("offset", OFFSET);
  const before = parameters.queryPositive("before", undefined, MAX_JOB_ID + 1);
  const states = parameters.queryChoices("state", PUBLIC_STATES);
  const applications = applicationsOf(parameters);
  const name = nameOf(parameters);
  parameters.finish();
  const filter = { states, applications, name };
  return { limit, offset, before: before === undefined ? undefined : jobId(before), filter };
}

/**
 * Path and query of the page after the one that ends with the job `lastId`. Has nothing else of the request in it, as
 * there may be a token.
 */
export function nextPage({ limit, filter }: ListRequest, lastId: number): string {
  const query = new URLSearchParams({ limit: String(limit), before: String(lastId) });
  for (const state of filter.states) query.append("state", state);
  for (const application of filter.applications) query.append("application", application);
  if (filter.name !== "") query.append("name", filter.name);
  return `/api/job/?${query}`;
}

function applicationsOf(parameters: ParameterCheck): readonly string[] {
  const applications = [...new Set(parameters.queryTexts("application"))];
  for (const [index, application] of applications.entries()) {
    const fault = textFault(["query", "application", index], application, MAX_TEXT_LENGTH);
    if (fault !== undefined) parameters.add(fault);
  }
  if (applications.length > MAX_APPLICATIONS) {
    parameters.add({
      loc: ["query", "application"],
      msg: `ensure this value has at most ${MAX_APPLICATIONS} items`,
      type: "value_error.list.max_items",
      ctx: { limit_value: MAX_APPLICATIONS },
    });
  }
  return applications;
}

function nameOf(parameters: ParameterCheck): string {
  const name = parameters.queryTexts("name").at(-1) ?? "";
  const fault = textFault(["query", "name"], name, MAX_TEXT_LENGTH);
  if (fault !== undefined) parameters.add(fault);
  return name;
}
