import type { DestinationEntry } from "./destination_schema.ts";
import type { KeyPath } from "./finding.ts";
import { absolutePath, credentialPath } from "./paths.ts";
import type { Report } from "./report.ts";
import { type DeniedSecrets, readSecretFile } from "./secret_file.ts";
import { withPassword } from "./url_password.ts";

/** Entries of `destinations`, with holes where something did not fit. */
export type DestinationEntries = ReadonlyMap<string, Partial<DestinationEntry> | undefined>;

/** Of which destinations secrets are read. */
export type NeedsSecrets = (name: string, scheduler: DestinationEntry["scheduler"]["type"] | undefined) => boolean;

interface Context {
  readonly workingDirectory: string;
  /** Of the service manager. */
  readonly credentialsDirectory: string | undefined;
  readonly deniedSecrets: DeniedSecrets;
  readonly report: Report;
}

/**
 * Puts what is in the files that `password_file` and `passphrase_file` name in the place of these keys, and the directory
 * of credentials into all paths that begin with it.
 */
export function readSecrets(
  destinations: DestinationEntries,
  context: Context & { readonly needsSecrets: NeedsSecrets },
): DestinationEntries {
  const entries = [...destinations].map(([name, entry]) => {
    if (entry === undefined || !context.needsSecrets(name, entry.scheduler?.type)) return [name, entry] as const;
    const placed = withCredentials(entry, context.credentialsDirectory);
    return [name, opened(placed, ["destinations", name], context)] as const;
  });
  return new Map(entries);
}

function withCredentials<T>(value: T, directory: string | undefined): T {
  if (typeof value === "string") return credentialPath(value, directory) as T;
  if (Array.isArray(value) || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withCredentials(inner, directory)])) as T;
}

function opened(entry: Partial<DestinationEntry>, path: KeyPath, context: Context): Partial<DestinationEntry> {
  const { scheduler, filesystem } = entry;
  return {
    ...entry,
    ...(scheduler === undefined ? {} : { scheduler: openedPart(scheduler, [...path, "scheduler"], context) }),
    ...(filesystem === undefined ? {} : { filesystem: openedPart(filesystem, [...path, "filesystem"], context) }),
  };
}

/** @param part a scheduler or a file system; what is below `ssh_config` and `proxy` counts, too */
function openedPart<T extends object>(part: T, path: KeyPath, context: Context): T {
  const result = openedMap(part as Values, path, context);
  for (const key of ["ssh_config", "proxy"]) {
    const map = result[key];
    if (typeof map === "object" && map !== null) result[key] = openedMap(map as Values, [...path, key], context);
  }
  const { redis_dsn: dsn, password } = result;
  if (typeof dsn === "string" && typeof password === "string") {
    delete result.password;
    const whole = withPassword(dsn, password);
    if (whole === undefined) context.report.faultAtKey([...path, "password_file"], "redis_dsn has a password already");
    else result.redis_dsn = whole;
  }
  return result as T;
}

type Values = Record<string, unknown>;

const SECRETS = ["password", "passphrase"] as const;

function openedMap(map: Values, path: KeyPath, { workingDirectory, deniedSecrets, report }: Context): Values {
  const result = { ...map };
  for (const name of SECRETS) {
    const key = `${name}_file`;
    const file = result[key];
    delete result[key];
    if (typeof file !== "string") continue;
    if (result[name] !== undefined) report.faultAtKey([...path, key], `expected either ${name} or ${key}`);
    const secret = readSecretFile(absolutePath(file, workingDirectory));
    if (secret.isValid) result[name] = secret.value;
    else if (secret.isDenied && deniedSecrets === "warn") report.warn([...path, key], secret.reason);
    else report.fault([...path, key], secret.reason);
  }
  return result;
}
