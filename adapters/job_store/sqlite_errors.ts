import { BartenderError, messageOf, StoreUnavailableError } from "../../src/core/errors.ts";

/** Primary result codes, https://www.sqlite.org/rescode.html */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

const TEXTS: ReadonlyMap<number, string> = new Map([
  [BUSY, "another process holds the lock of the database"],
  [LOCKED, "another process holds the lock of the database"],
  [READONLY, "the database cannot be written"],
  [IOERR, "the disk of the database reports an error"],
  [CORRUPT, "the database is damaged"],
  [FULL, "the disk of the database is full"],
  [CANTOPEN, "the database file cannot be opened"],
  [NOTADB, "the file is not an SQLite database"],
]);

// Deno leaves the result code out where a statement fails while it is prepared; SQLite's texts are stable.
const CODES_BY_MESSAGE: readonly (readonly [RegExp, number])[] = [
  [/^database (table )?is locked/, BUSY],
  [/^attempt to write a readonly database/, READONLY],
  [/^disk I\/O error/, IOERR],
  [/^database disk image is malformed/, CORRUPT],
  [/^database or disk is full/, FULL],
  [/^unable to open database file/, CANTOPEN],
  [/^file is not a database/, NOTADB],
];

/** @returns the primary result code of an error of `node:sqlite`; undefined for other errors */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("errcode" in error && typeof error.errcode === "number") return error.errcode & 0xff;
  return CODES_BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1];
}

/** An error of `node:sqlite` as plain values: an `Error` that goes to another thread loses its result code. */
export interface SqliteFault {
  readonly message: string;
  readonly errcode: number | undefined;
}

/** The plain values of an error; {@link faultError} makes an error of them that is read the same way. */
export function faultOf(error: unknown): SqliteFault {
  return { message: messageOf(error), errcode: resultCode(error) };
}

/** An error again of what {@link faultOf} made. */
export function faultError({ message, errcode }: SqliteFault): Error {
  return Object.assign(new Error(message), errcode === undefined ? {} : { errcode });
}

/** True when the same call succeeds as soon as another process lets go of its lock. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** What went wrong in words for the log and for users, undefined for errors that have nothing to do with the file. */
export function describeSqliteError(error: unknown): string | undefined {
  const text = TEXTS.get(resultCode(error) ?? 0);
  return text === undefined ? undefined : `${text} (${messageOf(error)})`;
}

/** The error of a statement that SQLite may carry out later, or that shared the fate of another. */
export function storeUnavailable(error: unknown): StoreUnavailableError {
  const text = describeSqliteError(error) ?? messageOf(error);
  return error instanceof StoreUnavailableError
    ? error
    : new StoreUnavailableError(`The job store is not available: ${text}`, error);
}

/**
 * Turns an error of one statement into one of the domain: what may pass (a lock, a full disk) is a
 * {@link StoreUnavailableError}, the rest (a violated constraint) is not retryable.
 */
export function storeError(error: unknown): BartenderError {
  if (error instanceof BartenderError) return error;
  return describeSqliteError(error) === undefined
    ? new BartenderError("store_failed", `The database refused a statement: ${messageOf(error)}`, { cause: error })
    : storeUnavailable(error);
}
