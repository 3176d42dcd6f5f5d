import { readFile } from "node:fs/promises";
import ssh2, { type BaseAgent } from "ssh2";

/**
 * An agent whose keys are offered as `ssh(1)` does it: first those that are in key files, too, as hosts allow only a few
 * tries.
 *
 * @param files private keys, whose public parts stand beside them in `.pub`, or public keys
 * @param isExclusive offers no others: `IdentitiesOnly` of `ssh_config(5)`
 */
export async function agentOf(socket: string, files: readonly string[], isExclusive: boolean): Promise<BaseAgent> {
  const named = new Set((await Promise.all(files.map(publicKeyOf))).filter((key) => key !== undefined));
  return new ChosenAgent(socket, named, isExclusive);
}

type Identities = Parameters<InstanceType<typeof ssh2.OpenSSHAgent>["getIdentities"]>[0];

class ChosenAgent extends ssh2.OpenSSHAgent {
  readonly #named: ReadonlySet<string>;
  readonly #isExclusive: boolean;

  constructor(socket: string, named: ReadonlySet<string>, isExclusive: boolean) {
    super(socket);
    this.#named = named;
    this.#isExclusive = isExclusive;
  }

  override getIdentities(callback: Identities): void {
    super.getIdentities((error, keys = []) => {
      if (error) return callback(error);
      const isNamed = (key: (typeof keys)[number]): boolean =>
        "getPublicSSH" in key && this.#named.has(key.getPublicSSH().toString("base64"));
      const others = this.#isExclusive ? [] : keys.filter((key) => !isNamed(key));
      callback(undefined, [...keys.filter(isNamed), ...others]);
    });
  }
}

/** In base64. @returns undefined where it cannot be told */
async function publicKeyOf(file: string): Promise<string | undefined> {
  for (const path of [`${file}.pub`, file]) {
    const text = await readFile(path).catch(() => undefined);
    const key = text === undefined ? undefined : ssh2.utils.parseKey(text);
    if (key !== undefined && !(key instanceof Error)) return key.getPublicSSH().toString("base64");
  }
  return undefined;
}
