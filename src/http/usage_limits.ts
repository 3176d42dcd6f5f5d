/** What one submitter may ask for; what is undefined is not limited. */
export interface UsageLimits {
  /** As many may also come at once. */
  readonly submissionsPerMinute: number | undefined;
  /** Of every kind, submissions included. As many may also come at once. */
  readonly requestsPerMinute: number | undefined;
  /** Jobs that have not come to their end. */
  readonly maxUnfinishedJobs: number | undefined;
  /** Jobs of every state. */
  readonly maxStoredJobs: number | undefined;
  /** What the file system of the jobs must have left after a submission, for what runs already; 0: nothing. */
  readonly minFreeBytes: number;
}
