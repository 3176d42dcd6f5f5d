import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServerHostKeyAlgorithm } from "ssh2";
import { ConnectionError, messageOf } from "../../src/core/errors.ts";
import { judgeHostKey, type KnownHostLine, knownHostName, knownKeyTypes, parseKnownHosts } from "./known_hosts.ts";
import type { SshHost } from "./ssh_host.ts";

/** Best first; SHA-1 signatures are not accepted. */
const ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

/** Judges one host by the keys on record. */
export interface HostKeyCheck {
  /** Those first of which a key is on record, so that the host shows a key that can be compared. */
  readonly algorithms: readonly ServerHostKeyAlgorithm[];
  /** @returns what is wrong with the key; undefined when it is on record */
  judge(key: Buffer): ConnectionError | undefined;
}

/** Hosts that all users of this machine know, `ssh_config(5)`. */
const SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts";

/**
 * Reads the files of known hosts; an absent one knows nobody.
 *
 * @param homeDirectory of the service's user, for the default file
 * @throws {ConnectionError} when one cannot be read
 */
export async function hostKeyCheck(host: SshHost, homeDirectory: string): Promise<HostKeyCheck> {
  const records = await recordsFor(host, homeDirectory);
  const types = knownKeyTypes(records.lines, records.name);
  const isOnRecord = (algorithm: string): boolean =>
    types.includes(algorithm.startsWith("rsa-sha2-") ? "ssh-rsa" : algorithm);
  return {
    algorithms: [...ALGORITHMS.filter(isOnRecord), ...ALGORITHMS.filter((name) => !isOnRecord(name))],
    judge: (key) => faultOf(records, host, keyTypeOf(key), key.toString("base64")),
  };
}

/** Everything on record, and under which name the host is looked up in it. */
interface Records {
  readonly lines: readonly KnownHostLine[];
  /** The first one is where new keys go; the others are there. */
  readonly files: readonly string[];
  readonly name: string;
  /** Another name whose keys are believed, but held against nobody. */
  readonly plainName: string | undefined;
}

async function recordsFor(host: SshHost, homeDirectory: string): Promise<Records> {
  const [first, ...others] =
    host.knownHostsFile === undefined
      ? (host.client?.knownHostsFiles ?? [join(homeDirectory, ".ssh", "known_hosts"), SYSTEM_KNOWN_HOSTS])
      : [host.knownHostsFile];
  if (first === undefined) {
    throw new ConnectionError(
      "host_key_unknown",
      `No host is known: the OpenSSH client file leaves no UserKnownHostsFile for ${host.hostname}; set known_hosts to a file of known host keys`,
    );
  }
  const lines = [...parseKnownHosts((await textOf(first)) ?? "", first)];
  const files = [first];
  for (const file of others) {
    const text = await textOf(file);
    if (text === undefined) continue;
    files.push(file);
    lines.push(...parseKnownHosts(text, file));
  }
  const alias = host.client?.hostKeyAlias?.toLowerCase();
  if (alias !== undefined) return { lines, files, name: alias, plainName: undefined };
  // OpenSSH believes a key of the plain name for another port, too, but holds no other key of it against the host.
  const plainName = host.port === 22 ? undefined : knownHostName(host.hostname, 22);
  return { lines, files, name: knownHostName(host.hostname, host.port), plainName };
}

/** Where every host is believed. */
export const ANY_HOST_KEY: HostKeyCheck = { algorithms: ALGORITHMS, judge: () => undefined };

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new ConnectionError("host_key_unknown", `Cannot read known_hosts: ${messageOf(error)}`, error);
  }
}

/** The type stands at the start of a key, after its length: RFC 4253 §6.6. */
function keyTypeOf(key: Buffer): string {
  return key.toString("latin1", 4, 4 + key.readUInt32BE(0));
}

/** The command that puts the keys of a host on record; by way of the host in between when there is one. */
function scanLine({ hostname, port, client, proxyJump }: SshHost, file: string): string {
  const alias = client?.hostKeyAlias;
  // The keys are on record under another name than the one that is asked.
  const renamed = alias === undefined ? "" : ` | sed 's/^[^# ]* /${alias} /'`;
  const scan = `ssh-keyscan -p ${port} ${hostname}${renamed} >> ${file}`;
  return proxyJump === undefined
    ? scan
    : `ssh -p ${proxyJump.port} ${proxyJump.username}@${proxyJump.hostname} ${scan}`;
}

function faultOf(
  { lines, files, name, plainName }: Records,
  host: SshHost,
  keyType: string,
  key: string,
): ConnectionError | undefined {
  const plain = plainName === undefined ? undefined : judgeHostKey(lines, plainName, keyType, key);
  const named = judgeHostKey(lines, name, keyType, key);
  if (named.type === "known") return undefined;
  const revoked = [named, plain].find((verdict) => verdict?.type === "revoked");
  if (revoked?.type === "revoked") {
    const { line, file } = revoked.by;
    return new ConnectionError(
      "host_key_revoked",
      `Host ${name} showed a ${keyType} key that line ${line} of ${file} marks as revoked: do not use this host before its administrator has explained it`,
    );
  }
  const [first = ""] = files;
  if (named.type === "changed") {
    const { line, file } = named.by;
    return new ConnectionError(
      "host_key_changed",
      `Host ${name} showed another ${keyType} key than line ${line} of ${file}: somebody may be intercepting the connection. If its administrator confirms the new key, run: ssh-keygen -R '${name}' -f ${file} && ${scanLine(host, file)}`,
    );
  }
  if (plain?.type === "known" || named.type === "revoked") return undefined;
  const known = named.knownTypes.length === 0 ? "" : `, which knows ${named.knownTypes.join(", ")}`;
  const authority = named.hasAuthority ? " Host certificates (@cert-authority) are not supported." : "";
  return new ConnectionError(
    "host_key_unknown",
    `Host ${name} showed a ${keyType} key that is not in ${files.join(" or ")}${known}.${authority} Compare it with what the host's administrator tells, then run: ${scanLine(host, first)}`,
  );
}
