import { readFile } from "node:fs/promises";
import { join } from "node:path";
import ssh2, { type AnyAuthMethod } from "ssh2";
import { ConnectionError, messageOf } from "../../src/core/errors.ts";
import { agentOf } from "./chosen_agent.ts";
import type { SshHost } from "./ssh_host.ts";

/** Where keys are found that the configuration does not name. */
export interface KeySources {
  /** Home directory of the service's user. */
  readonly homeDirectory: string;
  /** `SSH_AUTH_SOCK`; undefined: no agent. */
  readonly agentSocket: string | undefined;
}

/** A way to log in, with what may be said about it. */
export interface Credential {
  /** Without secrets, e.g. `key /home/b/.ssh/id_ed25519`. */
  readonly name: string;
  readonly method: AnyAuthMethod;
}

/** In the order of `ssh(1)`. */
const DEFAULT_KEYS = ["id_rsa", "id_ecdsa", "id_ed25519"];

/**
 * The ways to log in, in the order in which they are tried: the configured key, then the password; where neither is
 * configured, the agent and the key files of OpenSSH.
 *
 * @throws {ConnectionError} when the configured key cannot be used, or there is no way at all
 */
export async function credentials(host: SshHost, sources: KeySources): Promise<readonly Credential[]> {
  const { username, client, passphrase } = host;
  const files = client?.identityFiles ?? DEFAULT_KEYS.map((name) => join(sources.homeDirectory, ".ssh", name));
  const found: Credential[] = [];
  const agent = await agentCredential(host, files, sources);
  if (host.privateKeyFile !== undefined) {
    const key = await configuredKey(host.privateKeyFile, passphrase, username);
    // The agent may hold a key that only a person could open.
    found.push(...(key === undefined ? agent : [key]));
    // Those that a client file names for a host in between.
    if (client?.identityFiles !== undefined) found.push(...(await usableKeys(files, passphrase, username)));
    if (found.length === 0) {
      throw new ConnectionError(
        "login_refused",
        `The private key ${host.privateKeyFile} is encrypted: set passphrase, or load it into an SSH agent`,
      );
    }
  }
  if (host.password !== undefined) {
    found.push(...passwordCredentials(host.password, username));
  }
  if (found.length === 0) {
    found.push(...agent, ...(await usableKeys(files, passphrase, username)));
  }
  if (found.length === 0) {
    const place = client?.identityFiles === undefined ? join(sources.homeDirectory, ".ssh") : files.join(" or ");
    throw new ConnectionError(
      "login_refused",
      `There is nothing to log in with: set private_key or password, start an SSH agent, or put a key without passphrase into ${place}`,
    );
  }
  return found;
}

async function agentCredential(
  { username, client }: SshHost,
  files: readonly string[],
  { agentSocket }: KeySources,
): Promise<readonly Credential[]> {
  const socket = client?.agentSocket === undefined ? agentSocket : client.agentSocket;
  if (socket === undefined || socket === null || socket === "") return [];
  // Without a client file the keys are asked for as they come, by the library itself.
  const isChosen = client?.identityFiles !== undefined || client?.isIdentitiesOnly === true;
  const agent = isChosen ? await agentOf(socket, files, client.isIdentitiesOnly === true) : socket;
  return [{ name: "SSH agent", method: { type: "agent", username, agent } }];
}

/** Many hosts ask for the password in a dialogue instead. */
function passwordCredentials(password: string, username: string): readonly Credential[] {
  return [
    { name: "password", method: { type: "password", username, password } },
    {
      name: "password (keyboard-interactive)",
      method: {
        type: "keyboard-interactive",
        username,
        // Only a hidden answer can be the password.
        prompt: (_name, _instructions, _language, prompts, finish) =>
          finish(prompts.map(({ echo }) => (echo === true ? "" : password))),
      },
    },
  ];
}

/** @returns undefined for an encrypted key without a passphrase */
async function configuredKey(
  path: string,
  passphrase: string | undefined,
  username: string,
): Promise<Credential | undefined> {
  const text = await readFile(path).catch((error: unknown) => {
    throw new ConnectionError("login_refused", `Cannot read the private key: ${messageOf(error)}`, error);
  });
  const key = ssh2.utils.parseKey(text, passphrase);
  if (!(key instanceof Error)) return { name: `key ${path}`, method: { type: "publickey", username, key } };
  if (passphrase === undefined && isEncrypted(key)) return undefined;
  const what = passphrase === undefined ? "" : " with this passphrase";
  throw new ConnectionError("login_refused", `Cannot use the private key ${path}${what}: ${key.message}`);
}

/** Keys that are not there, or that only a person could open, are passed over as `ssh(1)` in a batch does. */
async function usableKeys(
  files: readonly string[],
  passphrase: string | undefined,
  username: string,
): Promise<readonly Credential[]> {
  const found: Credential[] = [];
  for (const path of files) {
    const text = await readFile(path).catch(() => undefined);
    const key = text === undefined ? undefined : ssh2.utils.parseKey(text, passphrase);
    if (key !== undefined && !(key instanceof Error) && key.isPrivateKey()) {
      found.push({ name: `key ${path}`, method: { type: "publickey", username, key } });
    }
  }
  return found;
}

function isEncrypted(fault: Error): boolean {
  return /encrypted/i.test(fault.message);
}
