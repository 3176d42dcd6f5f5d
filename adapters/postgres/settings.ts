import { readFileSync } from "node:fs";
import { BartenderError, messageOf } from "../../src/core/errors.ts";

/** How a connection is encrypted; the words of libpq's `sslmode`. */
const SSL_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;
type SslMode = (typeof SSL_MODES)[number];

/** How to reach one PostgreSQL database. Holds a password: never logged, never part of an error. */
export interface PostgresSettings {
  /** Name, address, or directory of a Unix socket (then it begins with `/`). */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly base: string;
  readonly tls: PostgresTls;
  /** Largest number of connections for jobs. */
  readonly poolSize: number;
  /** Milliseconds that making a connection may take. */
  readonly connectTimeoutMs: number;
  /** False where a pooler between daemon and server keeps no session. */
  readonly prepare: boolean;
  /** Run-time parameters of the session, e.g. `search_path`. */
  readonly parameters: Readonly<Record<string, string>>;
}

export type PostgresTls =
  | { readonly mode: "disable" }
  | {
      readonly mode: Exclude<SslMode, "disable">;
      /** PEM texts. */
      readonly ca: string | undefined;
      readonly cert: string | undefined;
      readonly key: string | undefined;
    };

const DEFAULT_PORT = 5432;
const DEFAULT_POOL_SIZE = 10;
const DEFAULT_CONNECT_TIMEOUT_S = 5;

/**
 * Reads `postgres://user:password@host:port/base?option=value`. Options of the connection are `sslmode`,
 * `sslrootcert`, `sslcert`, `sslkey`, `pool_size`, `connect_timeout` (seconds) and `prepare`; all others go to the
 * server as parameters of the session.
 *
 * @throws {BartenderError} with the name of the option, never with its value where that may be secret
 */
export function readPostgresUrl(text: string): PostgresSettings {
  const url = new URL(text);
  const options = new Map(url.searchParams);
  const take = (name: string): string | undefined => {
    const value = options.get(name);
    options.delete(name);
    return value;
  };
  const user = decodeURIComponent(url.username) || "bartender";
  return {
    host: take("host") ?? decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? DEFAULT_PORT : Number(url.port),
    user,
    password: decodeURIComponent(url.password),
    base: decodeURIComponent(url.pathname.slice(1)) || user,
    tls: readTls(take("sslmode"), take("sslrootcert"), take("sslcert"), take("sslkey")),
    poolSize: wholeNumber("pool_size", take("pool_size"), DEFAULT_POOL_SIZE, 1, 1_000),
    connectTimeoutMs:
      1_000 * wholeNumber("connect_timeout", take("connect_timeout"), DEFAULT_CONNECT_TIMEOUT_S, 1, 300),
    prepare: oneOf("prepare", take("prepare") ?? "true", ["true", "false"] as const) === "true",
    parameters: Object.fromEntries(options),
  };
}

function readTls(
  mode: string | undefined,
  rootCert: string | undefined,
  cert: string | undefined,
  key: string | undefined,
): PostgresTls {
  // As with other clients, encrypted where the server can; and checked as soon as there is something to check against.
  const chosen = oneOf("sslmode", mode ?? (rootCert === undefined ? "prefer" : "verify-full"), SSL_MODES);
  if (chosen === "disable") return { mode: chosen };
  return {
    mode: chosen,
    ca: rootCert === undefined || rootCert === "system" ? undefined : readPem("sslrootcert", rootCert),
    cert: cert === undefined ? undefined : readPem("sslcert", cert),
    key: key === undefined ? undefined : readPem("sslkey", key),
  };
}

function readPem(option: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw optionError(option, `the file cannot be read: ${messageOf(error)}`);
  }
}

function wholeNumber(option: string, text: string | undefined, fallback: number, min: number, max: number): number {
  if (text === undefined) return fallback;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw optionError(option, `expected a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`);
}

function oneOf<T extends string>(option: string, text: string, words: readonly T[]): T {
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  throw optionError(option, `expected one of ${words.join(", ")}, got ${JSON.stringify(text)}`);
}

function optionError(option: string, text: string): BartenderError {
  return new BartenderError("store_option", `${option}: ${text}`);
}
