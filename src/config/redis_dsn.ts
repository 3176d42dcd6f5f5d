/** Says what is wrong with the certificates for an address; undefined when nothing is. */
export function tlsFault(settings: {
  readonly redis_dsn: string;
  readonly tls?: { readonly cert?: string; readonly key?: string };
}): string | undefined {
  const { redis_dsn: dsn, tls } = settings;
  if (tls === undefined) return undefined;
  if (!/^rediss:/i.test(dsn)) return "is for rediss:// only; with redis:// in redis_dsn nothing would be encrypted";
  return (tls.cert === undefined) === (tls.key === undefined) ? undefined : "cert and key belong together";
}

/**
 * Says what is wrong with the address of a Redis server; undefined when nothing is.
 *
 * Such addresses hold passwords, so nothing of the value but its scheme goes into the message.
 */
export function redisDsnFault(value: string): string | undefined {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*)(:\/\/.*)$/is.exec(value) ?? [];
  if (scheme === undefined || rest === undefined) {
    return "expected an address such as redis://localhost:6379";
  }
  if (!["redis", "rediss"].includes(scheme.toLowerCase())) {
    return `URL scheme not permitted: expected redis:// or rediss://, got ${scheme}://`;
  }
  // URL checks hosts of the schemes that it knows only.
  const url = URL.canParse(`http${rest}`) ? new URL(`http${rest}`) : undefined;
  if (url === undefined || /^:\/\/[/?#]/.test(rest)) {
    return "expected an address such as redis://user:password@host:6379/0, got one with a bad host or port";
  }
  if (!/^\/?\d*$/.test(url.pathname)) {
    return "expected the number of a database after the host, e.g. redis://localhost:6379/0";
  }
  return /^\d*$/.test(url.searchParams.get("db") ?? "")
    ? undefined
    : "expected the number of a database for db, e.g. redis://localhost:6379/0 or redis://localhost:6379?db=0";
}

/** An address as clients of Redis understand it. */
export interface PlainDsn {
  /** Its database, if any, stands after the host. */
  readonly dsn: string;
  /** Names of parameters without a meaning. */
  readonly ignored: readonly string[];
}

/** Reads an address without fault as the Python Bartender does: `?db=` counts more than what stands after the host. */
export function plainDsn(value: string): PlainDsn {
  const [, address = value, query = ""] = /^([^?#]*)(?:\?([^#]*))?/.exec(value) ?? [];
  const parameters = new URLSearchParams(query);
  const database = parameters.get("db") ?? "";
  const dsn = database === "" ? address : address.replace(/^([^/]*\/\/[^/]*).*$/, `$1/${database}`);
  return { dsn, ignored: [...new Set(parameters.keys())].filter((name) => name !== "db") };
}
