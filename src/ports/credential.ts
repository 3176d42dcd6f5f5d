/**
 * What lets the daemon act at a destination for some time, such as the proxy of a grid. Destinations with equal settings
 * share one.
 */
export interface Credential {
  /** The same for two only when they are one. Part of the path of its keeper, so without `/`; no secret. */
  readonly id: string;
  /** What people call it, e.g. `DIRAC proxy`. */
  readonly name: string;
  /** It is to be renewed when no more than this is left, in seconds. */
  readonly minLifeS: number;
  /**
   * How long it may still be used.
   *
   * @throws {BartenderError} when no answer could be had
   */
  check(signal: AbortSignal): Promise<CredentialCheck>;
  /**
   * Makes a new one in the place of the old, which can be used until then. Nothing is replaced when that fails.
   *
   * @throws {BartenderError} with what is wrong and what to do about it
   */
  make(signal: AbortSignal): Promise<void>;
}

export interface CredentialCheck {
  /** 0 when it cannot be used. */
  readonly leftS: number;
  /** Why it cannot be used and what to do about it; meaningless when it can. */
  readonly reason: string;
}
