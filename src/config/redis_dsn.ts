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
  return /[?#]/.test(rest)
    ? "expected nothing after the number of the database, e.g. redis://localhost:6379/0"
    : undefined;
}
