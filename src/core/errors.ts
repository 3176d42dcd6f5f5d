/**
 * A fault with a meaning in the domain.
 *
 * `retryable` says whether the same call may succeed later: a refused connection is, a bad option is not.
 * The message is a sentence without a final period that a user may see.
 */
export class BartenderError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: { readonly retryable?: boolean; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** The scheduler gave no definite answer; nothing may be concluded about the job. */
export class SchedulerUnavailableError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("scheduler_unavailable", message, { retryable: true, cause });
  }
}

/** The scheduler definitely refused the job; trying again would be refused again. */
export class SchedulerRefusedError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("scheduler_refused", message, { cause });
  }
}

/** Files could not be moved; `retryable` tells a lost link from a full disk quota. */
export class TransferError extends BartenderError {
  constructor(message: string, options: { readonly retryable: boolean; readonly cause?: unknown }) {
    super("transfer_failed", message, options);
  }
}

/** A destination does not answer, and new jobs are not to wait for it. */
export class DestinationAwayError extends BartenderError {
  /** When it makes sense to ask again. */
  readonly retryMs: number;

  constructor(destination: string, retryMs: number) {
    super("destination_away", `Destination "${destination}" does not answer, please try again later`, {
      retryable: true,
    });
    this.retryMs = retryMs;
  }
}

/** The job was changed since it was read; the writer holds an outdated copy. */
export class StaleVersionError extends BartenderError {
  constructor(message: string) {
    super("stale_version", message);
  }
}

/** The store cannot be reached or is busy; the write may be tried again. */
export class StoreUnavailableError extends BartenderError {
  /** True when the answer was lost: the write may have been made, or may still be. */
  readonly isOutcomeUnknown: boolean;

  constructor(message: string, cause?: unknown, isOutcomeUnknown = false) {
    super("store_unavailable", message, { retryable: true, cause });
    this.isOutcomeUnknown = isOutcomeUnknown;
  }
}

/** The part of an unexpected value that may be shown to a user. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What went wrong with an effect, in the form that rules and the store can keep. */
export interface Fault {
  readonly message: string;
  readonly retryable: boolean;
}

/** Unknown errors count as definite: repeating what is not understood hides defects. */
export function faultOf(error: unknown): Fault {
  return { message: messageOf(error), retryable: error instanceof BartenderError && error.retryable };
}

/** The directory of a new job could not be made, e.g. because it exists already. */
export class JobDirectoryError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("job_directory_failed", message, { cause });
  }
}

/** There is a directory where that of a new job should be: somebody else's, which is left alone. */
export class JobDirectoryTakenError extends JobDirectoryError {}

/** A mailbox or queue of the daemon is full; the caller should come back later. */
export class BusyError extends BartenderError {
  constructor(message: string) {
    super("busy", message, { retryable: true });
  }
}

/** A command could not be started; `retryable` tells a machine without room from a program that is not there. */
export class CommandStartError extends BartenderError {
  constructor(message: string, options: { readonly retryable: boolean; readonly cause?: unknown }) {
    super("command_start_failed", message, options);
  }
}

/** Why a host could not be logged in to. */
export type ConnectionFaultCode =
  | "host_unreachable"
  | "host_key_unknown"
  | "host_key_changed"
  | "host_key_revoked"
  | "login_refused"
  | "link_lost";

/**
 * A host cannot be worked with right now. Always retryable: nothing was decided about any job, and an administrator can
 * mend even a wrong password while jobs wait.
 */
export class ConnectionError extends BartenderError {
  constructor(code: ConnectionFaultCode, message: string, cause?: unknown) {
    super(code, message, { retryable: true, cause });
  }
}

/**
 * A command was handed over, and then nobody could tell what became of it: it may have run, be running, or never have
 * begun. To be looked up before it is tried again.
 */
export class OutcomeUnknownError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("outcome_unknown", message, { retryable: true, cause });
  }
}
