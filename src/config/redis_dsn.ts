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
  return /^\/?\d*$/.test(url.pathname)
    ? undefined
    : "expected the number of a database after the host, e.g. redis://localhost:6379/0";
}
