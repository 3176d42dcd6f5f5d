import { type Job, publicState } from "../../src/core/job.ts";
import type { JobFilter } from "../../src/ports/job_store.ts";

/** What a filter of the list means, said in the simplest way. */
export function passesFilter(job: Job, { states, applications, name }: JobFilter): boolean {
  return (
    (states.length === 0 || states.includes(publicState(job.progress))) &&
    (applications.length === 0 || applications.includes(job.application)) &&
    job.name.toLowerCase().includes(name.toLowerCase())
  );
}
