import fc from "fast-check";
import { jobId, schedulerJobId } from "../../src/core/ids.ts";
import {
  type Cancellation,
  type Job,
  type Outcome,
  type Phase,
  type Placement,
  type Progress,
  PUBLIC_STATES,
  type Rerun,
} from "../../src/core/job.ts";
import type { JobStore, NewJob } from "../../src/ports/job_store.ts";
import { progressIn, T0 } from "../support/job_builder.ts";

/** An empty store of its own for one test. */
export interface OpenedJobStore extends AsyncDisposable {
  readonly store: JobStore;
}

export type OpenJobStore = () => Promise<OpenedJobStore>;

/** A submission with an upload of its own; `changes` replace single fields. */
export function newJob(changes: Partial<NewJob> = {}): NewJob {
  return {
    name: "first try",
    application: "wc",
    submitter: "someone",
    parameters: { word: "abc" },
    origin: {
      trace: { requestId: "r-1", trace_id: "0af7651916cd43dd8448eb211c80319c" },
      input: { digest: "00ff", sealedOnMs: T0 - 0.25 },
      retryOf: jobId(7),
    },
    upload: crypto.randomUUID(),
    ...changes,
  };
}

const text = fc.string({ unit: "grapheme", maxLength: 20 }).map((value) => value.replaceAll("\0", ""));
const cancellation: fc.Arbitrary<Cancellation> = fc.record({ reason: text, isDelete: fc.boolean() });
const outcome: fc.Arbitrary<Outcome> = fc.record(
  { isOk: fc.boolean(), returnCode: fc.option(fc.integer()), reason: fc.option(text), host: text },
  { requiredKeys: ["isOk", "returnCode", "reason"] },
);
const rerun: fc.Arbitrary<Rerun> = fc.record({ wasRunning: fc.boolean(), reason: text });
const placement: fc.Arbitrary<Placement> = fc.record({ destination: text, isStaged: fc.boolean() });
const schedulerId = text.map(schedulerJobId);

/** Any progress of a given phase; one entry per phase, so that the compiler asks for it when one is added. */
const PROGRESS_OF: { readonly [P in Phase]: fc.Arbitrary<Extract<Progress, { phase: P }>> } = {
  accepted: fc.record({ phase: fc.constant("accepted"), upload: text, cancellation: fc.option(cancellation) }),
  staging_in: placed({ phase: fc.constant("staging_in"), cancellation: fc.option(cancellation) }),
  waiting: placed({ phase: fc.constant("waiting") }),
  submitting: placed({
    phase: fc.constant("submitting"),
    cancellation: fc.option(cancellation),
    rerun: fc.option(rerun),
  }),
  queued: placed({
    phase: fc.constant("queued"),
    schedulerJobId: schedulerId,
    rerun: fc.option(rerun),
    note: fc.option(text),
  }),
  running: placed({ phase: fc.constant("running"), schedulerJobId: schedulerId }),
  cancelling: placed({
    phase: fc.constant("cancelling"),
    schedulerJobId: schedulerId,
    wasRunning: fc.boolean(),
    cancellation,
  }),
  staging_out: placed({
    phase: fc.constant("staging_out"),
    schedulerJobId: schedulerId,
    outcome,
    cancellation: fc.option(cancellation),
  }),
  closing: fc.record({
    phase: fc.constant("closing"),
    placement: fc.option(placement),
    schedulerJobId: fc.option(schedulerId),
    outcome,
    cancellation: fc.option(cancellation),
  }),
  finished: fc.record({
    phase: fc.constant("finished"),
    placement: fc.option(placement),
    schedulerJobId: fc.option(schedulerId),
    outcome,
  }),
  deleting: fc.record({
    phase: fc.constant("deleting"),
    placement: fc.option(placement),
    schedulerJobId: fc.option(schedulerId),
    lastState: fc.constantFrom(...PUBLIC_STATES),
  }),
};

/** All phases. */
export const PHASES = Object.keys(PROGRESS_OF) as readonly Phase[];

/** Any progress. */
export const anyProgress: fc.Arbitrary<Progress> = fc.oneof(...Object.values(PROGRESS_OF));

function placed<Fields>(fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }) {
  return fc.tuple(placement, fc.record(fields)).map(([where, rest]) => ({ ...where, ...rest }));
}

/** Inserts a job and saves it in `phase`. */
export async function inPhase(store: JobStore, phase: Phase, submitter = "someone"): Promise<Job> {
  const job = await store.insert(newJob({ submitter }), T0);
  return store.save({ ...job, progress: progressIn(phase) }, T0);
}
