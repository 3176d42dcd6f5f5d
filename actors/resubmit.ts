import type { JobId } from "../src/core/ids.ts";
import { isFinished, type Job, knownOutcome } from "../src/core/job.ts";
import { wasCancelled } from "../src/core/job_end.ts";
import type { JobActionResult } from "../src/ports/admin_service.ts";
import type { JobInputs } from "../src/ports/job_files.ts";
import type { JobService } from "../src/ports/job_service.ts";
import type { JobWorld } from "./job_effects.ts";

export interface ResubmitParts {
  readonly jobs: Pick<JobService, "submitOnce" | "keyed">;
  readonly inputs: JobInputs;
  readonly world: Pick<JobWorld, "applications" | "files">;
}

type Outcome = Omit<JobActionResult, "id">;

/** By this the job in the place of another is known, so that there is only one however often it is asked for. */
function keyOf(id: JobId): string {
  return `bartender-retry-of-${id}`;
}

/** Whether a job that only matches a filter is one to submit again: it failed, nobody wanted that, and nobody did it yet. */
export async function isWorthResubmitting({ jobs }: ResubmitParts, job: Job): Promise<boolean> {
  if (!isFinished(job) || knownOutcome(job.progress)?.isOk !== false || wasCancelled(job)) return false;
  return (await jobs.keyed(job.submitter, keyOf(job.id))) === undefined;
}

/**
 * Submits a failed job again: another job of the same user, from the files that the first one was given. That one keeps its
 * end, which its users may have read, and its files.
 */
export async function resubmit({ jobs, inputs, world }: ResubmitParts, job: Job, isDryRun: boolean): Promise<Outcome> {
  const { id, submitter, application, name, parameters, origin } = job;
  const { input } = origin;
  if (knownOutcome(job.progress)?.isOk !== false) return refused("It ended well, and is not run again");
  if (!world.applications.has(application)) return refused(`Application "${application}" is not configured any more`);
  const earlier = await jobs.keyed(submitter, keyOf(id));
  if (earlier !== undefined) return refused(`It was submitted again already, as job ${earlier.id}`);
  if (input === null)
    return refused("What it was given was not noted by the version that took it; its user can submit it again");
  if (isDryRun) {
    return (await inputs.hasInput(id, input))
      ? { result: "done", outcome: "Would be submitted again, as a new job" }
      : CHANGED;
  }
  const upload = await inputs.copyInput(id, input);
  if (upload === undefined) return CHANGED;
  let isTaken = false;
  try {
    const again = {
      name,
      application,
      submitter,
      parameters,
      upload,
      origin: { trace: origin.trace, input, retryOf: id },
    };
    const submitted = await jobs.submitOnce(again, { key: keyOf(id), digest: input.digest });
    if (submitted.type === "known") return refused(`It was submitted again already, as job ${submitted.earlier.id}`);
    isTaken = true;
    return { result: "done", outcome: `It is submitted again, as job ${submitted.job.id}` };
  } finally {
    if (!isTaken) await world.files.discard(upload);
  }
}

function refused(outcome: string): Outcome {
  return { result: "refused", outcome };
}

const CHANGED = refused("Its command has changed or removed files that it was given; its user can submit it again");
