import postgres from "postgres";
import { BartenderError, messageOf, StoreUnavailableError } from "../../src/core/errors.ts";

/** Code of our own error for a connection that ended before it could be used. */
export const NOT_CONNECTED = "BARTENDER_NOT_CONNECTED";

/** What an error of a statement says about the statement. */
export type StatementFault =
  /** No connection could be had, so it was not run; the same call may succeed later. */
  | "not_connected"
  /** The server has no room for another connection, or is still starting; it was not run. */
  | "no_room"
  /** The connection was lost, or no answer came in time: it may have been run or may still be. */
  | "unknown"
  /** The server gave it up for a reason that passes: a time limit, a lock, a full disk. It changed nothing. */
  | "passing"
  /** The server refused the login or does not have the database; it was not run. */
  | "login"
  /** The server refused the statement; it changed nothing, and would be refused again. */
  | "refused";

/** Codes of Node and of postgres.js for connections that were never made. */
const CONNECT_CODES = new Set([
  ...["ECONNREFUSED", "ENOENT", "EACCES", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"],
  ...["CONNECT_TIMEOUT", NOT_CONNECTED],
]);

/** Classes of SQLSTATE, https://www.postgresql.org/docs/15/errcodes-appendix.html */
const BY_CLASS: Readonly<Record<string, StatementFault>> = {
  "08": "unknown",
  "25": "passing",
  "28": "login",
  "40": "passing",
  "53": "passing",
  "55": "passing",
  "57": "unknown",
  "58": "passing",
  XX: "passing",
};

const BY_STATE: Readonly<Record<string, StatementFault>> = {
  "3D000": "login",
  "40003": "unknown",
  "53300": "no_room",
  "57014": "passing",
  "57P03": "no_room",
};

/** Judges an error of postgres.js or of the socket below it. */
export function statementFault(error: unknown): StatementFault {
  if (error instanceof postgres.PostgresError) {
    return BY_STATE[error.code] ?? BY_CLASS[error.code.slice(0, 2)] ?? "refused";
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (CONNECT_CODES.has(code)) return "not_connected";
  // What is neither the server's answer nor an error of the connection is a value that cannot be sent.
  return code === "" || code.startsWith("ERR_INVALID") ? "refused" : "unknown";
}

/** What went wrong, for the log and for users; holds no password. */
function describePostgresError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "CONNECT_TIMEOUT":
      return "the database server does not answer";
    case "ECONNREFUSED":
    case "ENOENT":
      return "no database server listens at this address";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the name of the database server is not known";
    case NOT_CONNECTED:
    case "CONNECTION_CLOSED":
    case "CONNECTION_ENDED":
    case "CONNECTION_DESTROYED":
    case "ECONNRESET":
    case "EPIPE":
      return "the connection to the database was lost";
    case "28P01":
    case "28000":
      return `the database server refused the login (${messageOf(error)})`;
    default:
      return messageOf(error);
  }
}

/** The error of a statement in terms of the domain. */
export function postgresStoreError(error: unknown): BartenderError {
  if (error instanceof BartenderError) return error;
  const fault = statementFault(error);
  const text = describePostgresError(error);
  return fault === "refused"
    ? new BartenderError("store_failed", `The database refused a statement: ${text}`, { cause: error })
    : new StoreUnavailableError(`The job store is not available: ${text}`, error, fault === "unknown");
}

/**
 * Why a database cannot be used at all: retryable where the server is only away.
 *
 * @param name the database without its password
 */
export function postgresOpenError(name: string, error: unknown): BartenderError {
  const cause = error instanceof StoreUnavailableError && error.cause !== undefined ? error.cause : error;
  const text = `Database "${name}": ${cause instanceof BartenderError ? cause.message : describePostgresError(cause)}`;
  if (error instanceof BartenderError && !error.retryable) return new BartenderError(error.code, text, { cause });
  const fault = cause instanceof BartenderError ? "unknown" : statementFault(cause);
  return fault === "login" || fault === "refused"
    ? new BartenderError("store_unusable", text, { cause })
    : new StoreUnavailableError(text, cause);
}
