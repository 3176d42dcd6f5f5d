import type { DestinationMode } from "../core/destination_mode.ts";
import type { JobId } from "../core/ids.ts";
import type { Job, Phase, PublicState } from "../core/job.ts";

/** Which jobs an administrator means, whoever submitted them. Empty texts and lists mean any. */
export interface AdminJobFilter {
  readonly states: readonly PublicState[];
  readonly destination: string;
  readonly application: string;
  readonly submitter: string;
  /** In the reason, whatever the case. */
  readonly reason: string;
  /** Submitted at least this long ago, in milliseconds; 0 means any. */
  readonly olderThanMs: number;
  /** Submitted at most this long ago, in milliseconds; 0 means any. */
  readonly youngerThanMs: number;
}

export interface AdminSearch {
  readonly filter: Omit<AdminJobFilter, "reason" | "olderThanMs" | "youngerThanMs">;
  /** Submitted at this time or later, and earlier or at this time; milliseconds since 1970. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Only jobs that have not come to their end. */
  readonly isUnfinishedOnly: boolean;
  readonly order: "newest" | "oldest";
}

/** How many unfinished jobs of a destination are in a phase; null for jobs that none was chosen for yet. */
export interface PhaseCount {
  readonly destination: string | null;
  readonly phase: Phase;
  readonly count: number;
}

/** A destination that an administrator has changed the mode of. */
export interface SavedMode {
  readonly destination: string;
  readonly mode: DestinationMode;
  readonly by: string;
  readonly onMs: number;
}

/** What an administrator has decided about the place of one job in the queue. */
export interface JobOrder {
  readonly isHeld: boolean;
  /** From -100 to 100; higher ones go first, whoever submitted them. */
  readonly priority: number;
}

/** One thing that an administrator did, or tried. */
export interface AuditEntry {
  /** Milliseconds since 1970. */
  readonly onMs: number;
  /** Name of the user, as the client claims it, and how it came. */
  readonly by: string;
  readonly action: string;
  /** What it was done to, e.g. `job 17` or `destination cluster`. */
  readonly target: string;
  readonly outcome: string;
}

/**
 * What only administrators ask of the database, in the same database as the jobs. One write is one statement.
 *
 * Every method throws {@link StoreUnavailableError} when the database cannot be reached.
 */
export interface AdminStore {
  /** Jobs that match, without those being deleted, a few at a time, so that other requests are served in between. */
  search(search: AdminSearch): AsyncIterable<readonly Job[]>;
  unfinishedCounts(): Promise<readonly PhaseCount[]>;
  /** Of all destinations whose mode was ever changed, also those that are no longer configured. */
  modes(): Promise<readonly SavedMode[]>;
  saveMode(mode: SavedMode): Promise<void>;
  /** What was decided about jobs that still exist. */
  orders(): Promise<ReadonlyMap<JobId, JobOrder>>;
  /** @returns false when there is no such job */
  saveOrder(id: JobId, order: JobOrder): Promise<boolean>;
  record(entry: AuditEntry): Promise<void>;
  /** Newest first. */
  audit(limit: number): Promise<readonly AuditEntry[]>;
}
