import type { Generated } from "kysely";

/**
 * Columns of `job`. The first nine are those of the Python Bartender, same names and nullability, so that
 * its rows can be taken over; the others have defaults or are null where such a row knows nothing.
 *
 * Times are text, see {@link encodeTimestamp}, or what PostgreSQL reads it as.
 */
export interface JobTable {
  /** Ascending, never reused. */
  readonly id: Generated<number>;
  readonly name: string;
  readonly application: string;
  /** What clients see; derived from `progress` on every write. */
  readonly state: string;
  readonly submitter: string;
  /** The scheduler's id of the newest attempt. */
  readonly internal_id: string | null;
  readonly destination: string | null;
  readonly created_on: string;
  /** When `state` last changed. */
  readonly updated_on: string;
  /** Counts the writes of progress; compared before each. */
  readonly version: Generated<number>;
  /** `phase` of `progress`, for the indexes. */
  readonly phase: string;
  /** Number of the newest attempt. */
  readonly attempt: Generated<number>;
  /** JSON of the finer state, see {@link encodeProgress}; null only in rows taken over, which are finished. */
  readonly progress: string | null;
  /** JSON object. */
  readonly parameters: Generated<string>;
  /** Why the job fails or is being ended, out of `progress`, for the history. */
  readonly reason: string | null;
  /** When the scheduler took the newest attempt. */
  readonly submitted_on: string | null;
  readonly started_on: string | null;
  readonly finished_on: string | null;
  /** When this version was written, for the history. */
  readonly saved_on: string;
  /** Name of the upload, unique: what tells that an insert whose answer was lost was made. */
  readonly upload: string | null;
  /** Random, of the newest save: what tells that a save whose answer was lost was made. */
  readonly save_id: string | null;
  /** As the client chose it; unique among the jobs of one submitter. */
  readonly idempotency_key: string | null;
  /** What was submitted with that key. */
  readonly request_digest: string | null;
  /** JSON, see {@link encodeOrigin}; null when nothing is known. */
  readonly origin: string | null;
}

/** Columns of `job_history`: one row per version of a job, written by triggers on `job`. */
export interface JobHistoryTable {
  readonly job_id: number;
  readonly version: number;
  readonly recorded_on: string;
  readonly phase: string;
  readonly state: string;
  readonly attempt: number;
  readonly reason: string | null;
}

/** Columns of `bartender_meta`: facts about the database as a whole. */
export interface MetaTable {
  /** `instance_id`. */
  readonly key: string;
  readonly value: string;
}

/** Columns of `destination_mode`: one row per destination whose mode an administrator has changed. */
export interface DestinationModeTable {
  readonly destination: string;
  readonly mode: string;
  readonly changed_by: string;
  readonly changed_on: string;
}

/** Columns of `job_order`: what an administrator has decided about the place of a job in the queue. */
export interface JobOrderTable {
  readonly job_id: number;
  /** 0 or 1. */
  readonly is_held: number;
  readonly priority: number;
}

/** Columns of `audit`: what administrators did. */
export interface AuditTable {
  readonly id: Generated<number>;
  readonly recorded_on: string;
  readonly who: string;
  readonly action: string;
  readonly target: string;
  readonly outcome: string;
}

/** The tables of the job store, in SQLite and elsewhere. */
export interface Tables {
  readonly job: JobTable;
  readonly job_history: JobHistoryTable;
  readonly bartender_meta: MetaTable;
  readonly destination_mode: DestinationModeTable;
  readonly job_order: JobOrderTable;
  readonly audit: AuditTable;
}
