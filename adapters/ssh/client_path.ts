import { join } from "node:path";
import { ClientFileError } from "./client_options.ts";

/** What stands for something else in a path of a client file. */
export interface PathTokens {
  /** Home directory of the service's user. */
  readonly homeDirectory: string;
  /** TOKENS of `ssh_config(5)`, by their letter. */
  readonly letters: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The path that a client file means: `ssh -G` leaves `~`, `%h` and `${NAME}` in those of key files.
 *
 * @throws {ClientFileError} for a token or variable that nobody can tell
 */
export function clientPath(text: string, { homeDirectory, letters, environment }: PathTokens): string {
  if (/^~[^/]/.test(text))
    throw new ClientFileError(`IdentityFile ${text} cannot be resolved: it is in the home of another user`);
  const home = text === "~" || text.startsWith("~/") ? join(homeDirectory, text.slice(1)) : text;
  return home.replaceAll(/%(.?)|\$\{([^}]*)\}/g, (token, letter: string | undefined, name: string | undefined) => {
    const value = name === undefined ? letters[letter ?? ""] : environment[name];
    if (value !== undefined) return value;
    throw new ClientFileError(`IdentityFile ${text} cannot be resolved: ${token} is not known here`);
  });
}
