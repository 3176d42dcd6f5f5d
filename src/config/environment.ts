import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { messageOf } from "../core/errors.ts";
import { type DatabaseConfig, parseDatabaseUrl, postgresUrl } from "./database_url.ts";
import { didYouMean } from "./nearest.ts";
import { absolutePath, credentialPath } from "./paths.ts";
import { parseBoolean } from "./scalars.ts";
import { type DeniedSecrets, readSecretFile } from "./secret_file.ts";
import { parseTrustedPeers, type TrustedPeers } from "./trusted_peers.ts";
import { withPassword } from "./url_password.ts";
import { VARIABLES, type VariableName } from "./variables.ts";

export const LOG_LEVELS = ["critical", "error", "warning", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What the environment says: server, database, keys and names of files. */
export interface Environment {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly workersCount: number;
  readonly isReload: boolean;
  readonly name: string;
  readonly logLevel: LogLevel;
  readonly database: DatabaseConfig;
  readonly isDatabaseEcho: boolean;
  /** Absolute path; the file may be absent. */
  readonly publicKeyFile: string;
  /** As given; undefined when not. See `resolveConfigFile` for what it then is. */
  readonly configFile: string | undefined;
  /** Where measures are served; undefined: nowhere. Port 0 means any free one. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  /** Absolute path of the console's socket; undefined when not given, see `consoleSocket`. */
  readonly consoleSocket: string | undefined;
  /** Peers whose `X-Forwarded-…` headers are believed. */
  readonly trustsForwardedFrom: TrustedPeers;
}

/** The environment, or all that is wrong with it; each text names its variable. */
export type EnvironmentResult =
  | { readonly isValid: true; readonly environment: Environment; readonly warnings: readonly string[] }
  | { readonly isValid: false; readonly faults: readonly string[]; readonly warnings: readonly string[] };

type Variables = Readonly<Record<string, string | undefined>>;

const KNOWN = VARIABLES.map(({ name }) => name).filter((name) => name.startsWith("BARTENDER_"));

/**
 * Reads the settings of the environment, and of `.env` in the working directory for what the environment lacks.
 *
 * @param variables the environment of the process; names are compared without regard to case
 * @param workingDirectory absolute; relative paths start here
 */
export function readEnvironment(
  variables: Variables,
  workingDirectory: string,
  deniedSecrets: DeniedSecrets = "refuse",
): EnvironmentResult {
  const faults: string[] = [];
  const warnings: string[] = [];
  const settings = new Map([
    ...upperCased(readDotEnv(join(workingDirectory, ".env"), faults)),
    ...upperCased(variables),
  ]);
  for (const name of settings.keys()) {
    if (name.startsWith("BARTENDER_") && !KNOWN.some((known) => known === name)) {
      warnings.push(`${name}: unknown variable${didYouMean(name, KNOWN)}`);
    }
  }
  const read = readerOf(settings, faults);
  const onDenied = deniedSecrets === "warn" ? warnings : faults;

  const trusted = parseTrustedPeers(read.text("FORWARDED_ALLOW_IPS", "127.0.0.1,::1"));
  if (!trusted.isValid) {
    faults.push(`FORWARDED_ALLOW_IPS: ${trusted.reason}`);
  }
  const environment = {
    host: read.nonEmpty("BARTENDER_HOST", "127.0.0.1"),
    port: read.integer("BARTENDER_PORT", 8000, 0, 65_535),
    workersCount: read.integer("BARTENDER_WORKERS_COUNT", 1, 1, 1_000_000),
    isReload: read.boolean("BARTENDER_RELOAD", false),
    name: read.text("BARTENDER_ENVIRONMENT", "dev"),
    logLevel: read.word("BARTENDER_LOG_LEVEL", "info", LOG_LEVELS),
    database: readDatabase(read, settings, workingDirectory, { faults, warnings, onDenied }),
    isDatabaseEcho: read.boolean("BARTENDER_DB_ECHO", false),
    publicKeyFile: resolve(workingDirectory, read.nonEmpty("BARTENDER_PUBLIC_KEY", "public_key.pem")),
    configFile: settings.has("BARTENDER_CONFIG_FILENAME") ? read.nonEmpty("BARTENDER_CONFIG_FILENAME", "") : undefined,
    metrics: settings.has("BARTENDER_METRICS_PORT")
      ? {
          host: read.nonEmpty("BARTENDER_METRICS_HOST", "127.0.0.1"),
          port: read.integer("BARTENDER_METRICS_PORT", 0, 0, 65_535),
        }
      : undefined,
    consoleSocket: settings.has("BARTENDER_CONSOLE_SOCKET")
      ? resolve(workingDirectory, read.nonEmpty("BARTENDER_CONSOLE_SOCKET", "console.sock"))
      : undefined,
    trustsForwardedFrom: trusted.isValid ? trusted.trusts : () => false,
  };
  return faults.length > 0 ? { isValid: false, faults, warnings } : { isValid: true, environment, warnings };
}

const PASS_FILE = "BARTENDER_DB_PASS_FILE";

/** Where what is wrong is collected. */
interface Told {
  readonly faults: string[];
  readonly warnings: string[];
  /** For secrets that cannot be read for want of rights. */
  readonly onDenied: string[];
}

function readDatabase(
  read: SettingReader,
  settings: ReadonlyMap<string, string>,
  workingDirectory: string,
  told: Told,
): DatabaseConfig {
  const { faults, warnings } = told;
  const parts = {
    host: read.nonEmpty("BARTENDER_DB_HOST", "localhost"),
    port: read.integer("BARTENDER_DB_PORT", 5432, 1, 65_535),
    user: read.nonEmpty("BARTENDER_DB_USER", "bartender"),
    password: readPassword(read, settings, workingDirectory, told),
    base: read.nonEmpty("BARTENDER_DB_BASE", "bartender"),
  };
  const given = ["HOST", "PORT", "USER", "PASS", "PASS_FILE", "BASE"]
    .map((part) => `BARTENDER_DB_${part}`)
    .filter((name) => settings.has(name));
  const hasFile = settings.has(PASS_FILE);
  if (!settings.has("BARTENDER_DB_URL")) {
    return given.length > 0
      ? { kind: "postgres", url: postgresUrl(parts) }
      : { kind: "sqlite", path: join(workingDirectory, "bartender.db") };
  }
  const url = parseDatabaseUrl(read.text("BARTENDER_DB_URL", ""), workingDirectory);
  const isPostgres = url.isValid && url.database.kind === "postgres";
  const whole = isPostgres && hasFile ? withPassword(url.database.url, parts.password) : undefined;
  const replaced = given.filter((name) => whole === undefined || name !== PASS_FILE);
  if (replaced.length > 0) {
    warnings.push(`BARTENDER_DB_URL: takes the place of ${replaced.join(", ")}`);
  }
  if (url.isValid) {
    return whole === undefined ? url.database : { kind: "postgres", url: whole };
  }
  faults.push(`BARTENDER_DB_URL: ${url.reason}`);
  return { kind: "sqlite", path: ":memory:" };
}

function readPassword(
  read: SettingReader,
  settings: ReadonlyMap<string, string>,
  workingDirectory: string,
  { faults, onDenied }: Told,
): string {
  const fallback = read.text("BARTENDER_DB_PASS", "bartender");
  if (!settings.has(PASS_FILE)) return fallback;
  if (settings.has("BARTENDER_DB_PASS")) faults.push(`${PASS_FILE}: expected either this or BARTENDER_DB_PASS`);
  const path = credentialPath(read.nonEmpty(PASS_FILE, ""), settings.get("CREDENTIALS_DIRECTORY"));
  const secret = readSecretFile(absolutePath(path, workingDirectory));
  if (secret.isValid) return secret.value;
  (secret.isDenied ? onDenied : faults).push(`${PASS_FILE}: ${secret.reason}`);
  return fallback;
}

function readDotEnv(path: string, faults: string[]): Variables {
  if (!existsSync(path)) {
    return {};
  }
  try {
    return parseEnv(new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)));
  } catch (error) {
    faults.push(`${path}: ${error instanceof TypeError ? "not valid UTF-8" : messageOf(error)}`);
    return {};
  }
}

/** Names in upper case; when a name is there in several spellings, the one in upper case counts. */
function upperCased(variables: Variables): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  for (const [name, value] of Object.entries(variables)) {
    const upper = name.toUpperCase();
    if (value !== undefined && (name === upper || variables[upper] === undefined)) {
      result.set(upper, value);
    }
  }
  return result;
}

interface SettingReader {
  text(name: VariableName, fallback: string): string;
  nonEmpty(name: VariableName, fallback: string): string;
  integer(name: VariableName, fallback: number, min: number, max: number): number;
  boolean(name: VariableName, fallback: boolean): boolean;
  word<T extends string>(name: VariableName, fallback: T, words: readonly T[]): T;
}

function readerOf(settings: ReadonlyMap<string, string>, faults: string[]): SettingReader {
  function read<T>(name: VariableName, fallback: T, expected: string, parse: (text: string) => T | undefined): T {
    const text = settings.get(name);
    if (text === undefined) {
      return fallback;
    }
    const value = parse(text);
    if (value === undefined) {
      faults.push(`${name}: expected ${expected}, got ${JSON.stringify(text)}`);
    }
    return value ?? fallback;
  }
  return {
    text: (name, fallback) => settings.get(name) ?? fallback,
    nonEmpty: (name, fallback) => read(name, fallback, "text", (text) => (text.trim() === "" ? undefined : text)),
    integer: (name, fallback, min, max) =>
      read(name, fallback, `a whole number from ${min} to ${max}`, (text) => {
        const value = /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : undefined;
        return value !== undefined && value >= min && value <= max ? value : undefined;
      }),
    boolean: (name, fallback) => read(name, fallback, "true or false", (text) => parseBoolean(text.trim())),
    word: (name, fallback, words) =>
      read(name, fallback, `one of ${words.join(", ")}`, (text) => words.find((word) => word === text)),
  };
}

export type ConfigFileChoice =
  | { readonly isValid: true; readonly file: string; readonly warning: string | undefined }
  | { readonly isValid: false; readonly reason: string };

/**
 * Chooses the configuration file: the one named by `BARTENDER_CONFIG_FILENAME`, else `config.yaml`, else
 * `config-example.yaml` with a warning. To be called only where the file is needed.
 *
 * @returns the path as the user knows it, relative to `workingDirectory`; the file exists
 */
export function resolveConfigFile(environment: Environment, workingDirectory: string): ConfigFileChoice {
  const exists = (file: string) => existsSync(resolve(workingDirectory, file));
  const { configFile } = environment;
  if (configFile !== undefined) {
    return exists(configFile)
      ? { isValid: true, file: configFile, warning: undefined }
      : {
          isValid: false,
          reason: `BARTENDER_CONFIG_FILENAME: file or directory at path ${JSON.stringify(configFile)} does not exist`,
        };
  }
  if (exists("config.yaml")) {
    return { isValid: true, file: "config.yaml", warning: undefined };
  }
  if (exists("config-example.yaml")) {
    return {
      isValid: true,
      file: "config-example.yaml",
      warning: "config.yaml does not exist, using config-example.yaml; copy it to config.yaml and adjust it",
    };
  }
  return {
    isValid: false,
    reason:
      'file or directory at path "config.yaml" does not exist; make one, or name one in BARTENDER_CONFIG_FILENAME',
  };
}
