import type { Selectable } from "kysely";
import { BartenderError, messageOf } from "../../src/core/errors.ts";
import { type JobId, jobId, schedulerJobId } from "../../src/core/ids.ts";
import { type Job, type Progress, placementOf, publicState, schedulerJobIdOf } from "../../src/core/job.ts";
import { reasonOfEnd } from "../../src/core/job_reason.ts";
import type { HistoryEntry } from "../../src/ports/job_store.ts";
import { decodeOrigin } from "./origin_codec.ts";
import { decodeParameters, decodePhase, decodeProgress, decodeState, encodeProgress } from "./progress_codec.ts";
import type { JobHistoryTable, JobTable } from "./tables.ts";
import { decodeTimestamp } from "./timestamp.ts";

/** A row that was damaged or written by hand; reading it again gives the same answer. */
export class CorruptJobError extends BartenderError {
  constructor(id: number, cause: unknown) {
    super("corrupt_job", `Job ${id}: the saved row cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** Columns that {@link decodeJob} needs. */
export const JOB_COLUMNS = [
  "id",
  "name",
  "application",
  "state",
  "submitter",
  "internal_id",
  "destination",
  "created_on",
  "updated_on",
  "version",
  "phase",
  "attempt",
  "progress",
  "parameters",
  "origin",
  "submitted_on",
  "started_on",
  "finished_on",
] as const satisfies readonly (keyof JobTable)[];

/** A row of `job` as it is read. */
export type JobRow = Pick<Selectable<JobTable>, (typeof JOB_COLUMNS)[number]>;

/** A row of `job_history` as it is read. */
export type HistoryRow = Omit<JobHistoryTable, "job_id">;

/** @throws {CorruptJobError} when a column cannot be understood or contradicts another */
export function decodeJob(row: JobRow): Job {
  try {
    return {
      id: jobId(row.id),
      name: row.name,
      application: row.application,
      submitter: row.submitter,
      parameters: decodeParameters(row.parameters),
      origin: decodeOrigin(row.origin),
      createdOnMs: decodeTimestamp(row.created_on),
      progress: row.progress === null ? takenOver(row) : consistent(row, decodeProgress(row.progress)),
      attempt: row.attempt,
      version: row.version,
      updatedOnMs: decodeTimestamp(row.updated_on),
      submittedOnMs: row.submitted_on === null ? null : decodeTimestamp(row.submitted_on),
      startedOnMs: row.started_on === null ? null : decodeTimestamp(row.started_on),
      finishedOnMs: row.finished_on === null ? null : decodeTimestamp(row.finished_on),
    };
  } catch (error) {
    throw new CorruptJobError(row.id, error);
  }
}

/** @throws {CorruptJobError} when a column cannot be understood */
export function decodeHistory(id: JobId, row: HistoryRow): HistoryEntry {
  try {
    return {
      version: row.version,
      onMs: decodeTimestamp(row.recorded_on),
      phase: decodePhase(row.phase),
      state: decodeState(row.state),
      attempt: row.attempt,
      reason: row.reason,
    };
  } catch (error) {
    throw new CorruptJobError(id, error);
  }
}

/** The columns that follow from progress. */
export function progressColumns(progress: Progress) {
  return {
    state: publicState(progress),
    phase: progress.phase,
    destination: placementOf(progress)?.destination ?? null,
    internal_id: schedulerJobIdOf(progress),
    reason: reasonOfEnd(progress),
    progress: encodeProgress(progress),
  };
}

function consistent(row: JobRow, progress: Progress): Progress {
  // The queries go by the column, the rules by the progress: a row where they differ would be listed or resumed wrongly.
  if (progress.phase !== row.phase) {
    throw new RangeError(`the phase column says "${row.phase}", the progress "${progress.phase}"`);
  }
  return progress;
}

/** A finished job of the Python Bartender: all that is known of its end is the state. */
function takenOver(row: JobRow): Progress {
  if (row.phase !== "finished" || (row.state !== "ok" && row.state !== "error")) {
    throw new RangeError(`no progress is saved, only state "${row.state}" and phase "${row.phase}"`);
  }
  return {
    phase: "finished",
    placement: row.destination === null ? null : { destination: row.destination, isStaged: false },
    schedulerJobId: row.internal_id === null ? null : schedulerJobId(row.internal_id),
    outcome: { isOk: row.state === "ok", returnCode: null, reason: null },
  };
}
