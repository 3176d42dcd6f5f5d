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

/** The job was changed since it was read; the writer holds an outdated copy. */
export class StaleVersionError extends BartenderError {
  constructor(message: string) {
    super("stale_version", message);
  }
}

/** The store cannot be reached or is busy; the write may be tried again. */
export class StoreUnavailableError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("store_unavailable", message, { retryable: true, cause });
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
