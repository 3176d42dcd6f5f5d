import { readFile } from "node:fs/promises";
import type { ServerHostKeyAlgorithm } from "ssh2";
import type { SshConfig } from "../../src/config/config.ts";
import { ConnectionError, messageOf } from "../../src/core/errors.ts";
import { judgeHostKey, type KnownHostLine, knownHostName, knownKeyTypes, parseKnownHosts } from "./known_hosts.ts";

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

/** Reads the known hosts file; an absent one knows nobody. @throws {ConnectionError} when it cannot be read */
export async function hostKeyCheck(config: HostOnRecord): Promise<HostKeyCheck> {
  const { knownHostsFile: file, hostname, port } = config;
  const lines = parseKnownHosts(await textOf(file));
  const types = knownKeyTypes(lines, hostname, port);
  const isOnRecord = (algorithm: string): boolean =>
    types.includes(algorithm.startsWith("rsa-sha2-") ? "ssh-rsa" : algorithm);
  return {
    algorithms: [...ALGORITHMS.filter(isOnRecord), ...ALGORITHMS.filter((name) => !isOnRecord(name))],
    judge: (key) => faultOf(lines, config, keyTypeOf(key), key.toString("base64")),
  };
}

/** Where every host is believed. */
export const ANY_HOST_KEY: HostKeyCheck = { algorithms: ALGORITHMS, judge: () => undefined };

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw new ConnectionError("host_key_unknown", `Cannot read known_hosts: ${messageOf(error)}`, error);
  }
}

/** The type stands at the start of a key, after its length: RFC 4253 §6.6. */
function keyTypeOf(key: Buffer): string {
  return key.toString("latin1", 4, 4 + key.readUInt32BE(0));
}

type HostOnRecord = Pick<SshConfig, "knownHostsFile" | "hostname" | "port" | "username" | "proxyJump">;

/** The command that puts the keys of a host on record; by way of the host in between when there is one. */
function scanLine({ knownHostsFile, hostname, port, username, proxyJump }: HostOnRecord): string {
  const scan = `ssh-keyscan -p ${port} ${hostname} >> ${knownHostsFile}`;
  if (proxyJump === undefined) return scan;
  const user = proxyJump.username ?? username;
  return `ssh -p ${proxyJump.port} ${user === undefined ? "" : `${user}@`}${proxyJump.hostname} ${scan}`;
}

function faultOf(
  lines: readonly KnownHostLine[],
  config: HostOnRecord,
  keyType: string,
  key: string,
): ConnectionError | undefined {
  const { knownHostsFile: file, hostname, port } = config;
  const name = knownHostName(hostname, port);
  const scan = scanLine(config);
  // OpenSSH believes a key of the plain name for another port, too, but holds no other key of it against the host.
  const plain = port === 22 ? undefined : judgeHostKey(lines, hostname, 22, keyType, key);
  const named = judgeHostKey(lines, hostname, port, keyType, key);
  if (named.type === "known") return undefined;
  const revoked = [named, plain].find((verdict) => verdict?.type === "revoked");
  if (revoked?.type === "revoked") {
    return new ConnectionError(
      "host_key_revoked",
      `Host ${name} showed a ${keyType} key that line ${revoked.line} of ${file} marks as revoked: do not use this host before its administrator has explained it`,
    );
  }
  if (named.type === "changed") {
    return new ConnectionError(
      "host_key_changed",
      `Host ${name} showed another ${keyType} key than line ${named.line} of ${file}: somebody may be intercepting the connection. If its administrator confirms the new key, run: ssh-keygen -R '${name}' -f ${file} && ${scan}`,
    );
  }
  if (plain?.type === "known" || named.type === "revoked") return undefined;
  const known = named.knownTypes.length === 0 ? "" : `, which knows ${named.knownTypes.join(", ")}`;
  const authority = named.hasAuthority ? " Host certificates (@cert-authority) are not supported." : "";
  return new ConnectionError(
    "host_key_unknown",
    `Host ${name} showed a ${keyType} key that is not in ${file}${known}.${authority} Compare it with what the host's administrator tells, then run: ${scan}`,
  );
}
