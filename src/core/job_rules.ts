/** What a destination prescribes for its jobs. */
export interface JobRules {
  /** How often staging or closing is tried before a transient fault counts as definite; at least 1. */
  readonly maxAttempts: number;
  /** How often a job is run again whose command was interrupted; 0: never, it ends as `error`. */
  readonly maxReruns: number;
  /** A command that runs longer is ended; null: no limit. */
  readonly maxRuntimeS: number | null;
  /** New jobs are refused while the destination is known not to answer; else they wait for it. */
  readonly refusesWhenAway: boolean;
}

/** How often an interrupted command is run again where the destination wants that. */
export const MAX_RERUNS = 3;

/** For jobs without a destination, and where the configuration says nothing. */
export const DEFAULT_RULES: JobRules = { maxAttempts: 20, maxReruns: 0, maxRuntimeS: null, refusesWhenAway: false };
