import { createHmac } from "node:crypto";

/** A line of a known hosts file, `sshd(8)`, SSH_KNOWN_HOSTS FILE FORMAT. */
export interface KnownHostLine {
  readonly marker: "none" | "revoked" | "cert-authority" | "unknown";
  /** Patterns separated by commas, or one hashed name. */
  readonly hosts: string;
  readonly keyType: string;
  /** Base64. */
  readonly key: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** What a known hosts file says about the key that a host showed. */
export type HostKeyVerdict =
  | { readonly type: "known" }
  | { readonly type: "revoked"; readonly by: KnownHostLine }
  /** Another key of the same type is on record. */
  | { readonly type: "changed"; readonly by: KnownHostLine }
  /** @see knownTypes for keys of other types that are on record */
  | { readonly type: "unknown"; readonly knownTypes: readonly string[]; readonly hasAuthority: boolean };

const HASHED = /^\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)$/;

/** Lines that are not understood are left out: they can vouch for nobody. */
export function parseKnownHosts(text: string, file: string): readonly KnownHostLine[] {
  return text.split("\n").flatMap((raw, index) => {
    const fields = raw.trim().split(/[ \t]+/);
    if (raw.trim() === "" || fields[0]?.startsWith("#")) return [];
    const mark = fields[0]?.startsWith("@") ? fields.shift() : undefined;
    const [hosts, keyType, key] = fields;
    if (hosts === undefined || keyType === undefined || key === undefined) return [];
    return [{ marker: markerOf(mark), hosts, keyType, key, file, line: index + 1 }];
  });
}

function markerOf(mark: string | undefined): KnownHostLine["marker"] {
  if (mark === undefined) return "none";
  return mark === "@revoked" ? "revoked" : mark === "@cert-authority" ? "cert-authority" : "unknown";
}

/** How a host is called in a known hosts file: `host`, or `[host]:port` for another port than 22. */
export function knownHostName(hostname: string, port: number): string {
  const host = hostname.toLowerCase();
  return port === 22 ? host : `[${host}]:${port}`;
}

/** The types of the keys on record under a {@link knownHostName}, so that the host can be asked for one of these. */
export function knownKeyTypes(lines: readonly KnownHostLine[], name: string): readonly string[] {
  const named = linesOf(lines, name).filter(({ marker }) => marker === "none");
  return [...new Set(named.map(({ keyType }) => keyType))];
}

/**
 * Judges the key that a host showed.
 *
 * @param name see {@link knownHostName}
 * @param keyType as in the key itself, e.g. `ssh-rsa` for all signatures with RSA
 * @param key base64
 */
export function judgeHostKey(
  lines: readonly KnownHostLine[],
  name: string,
  keyType: string,
  key: string,
): HostKeyVerdict {
  const named = linesOf(lines, name);
  const revoked = named.find((line) => line.marker === "revoked" && line.key === key);
  if (revoked !== undefined) return { type: "revoked", by: revoked };
  const keys = named.filter(({ marker }) => marker === "none");
  if (keys.some((line) => line.key === key)) return { type: "known" };
  const other = keys.find((line) => line.keyType === keyType);
  if (other !== undefined) return { type: "changed", by: other };
  return {
    type: "unknown",
    knownTypes: [...new Set(keys.map((line) => line.keyType))],
    hasAuthority: named.some(({ marker }) => marker === "cert-authority"),
  };
}

function linesOf(lines: readonly KnownHostLine[], name: string): readonly KnownHostLine[] {
  return lines.filter(({ hosts }) => matches(hosts, name));
}

function matches(hosts: string, name: string): boolean {
  const [, salt, hash] = HASHED.exec(hosts) ?? [];
  if (salt !== undefined && hash !== undefined) {
    return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash;
  }
  let isMatched = false;
  for (const pattern of hosts.split(",")) {
    const isNegated = pattern.startsWith("!");
    if (!patternOf(isNegated ? pattern.slice(1) : pattern).test(name)) continue;
    // A negated pattern wins, wherever in the line it stands.
    if (isNegated) return false;
    isMatched = true;
  }
  return isMatched;
}

function patternOf(pattern: string): RegExp {
  const source = pattern
    .toLowerCase()
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`);
}
