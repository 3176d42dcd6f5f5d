/** One thing that was tried at a destination, for the admin. */
export interface ProbeFinding {
  readonly isOk: boolean;
  /** What was seen; or what is wrong and what to do about it. Without secrets. */
  readonly text: string;
}
