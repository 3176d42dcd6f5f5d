import { isDeepStrictEqual } from "node:util";
import { BartenderError } from "../../src/core/errors.ts";

/** What `ssh -G` prints: each option, its name in lower case, with its values in the order of their lines. */
export type ClientOptions = ReadonlyMap<string, readonly string[]>;

/** What `ssh(1)` would do for one host, with more and more client files left out. */
export interface ClientReadings {
  /** With all files. */
  readonly all: ClientOptions;
  /** Without the file of the user. */
  readonly system: ClientOptions;
  /** Without any file. */
  readonly none: ClientOptions;
}

/** A client file cannot be read, or asks for what we cannot do; the message names the file, and the line where it is known. */
export class ClientFileError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("client_file", message, { cause });
  }
}

/** Reads the output of `ssh -G`, `ssh(1)`. */
export function parseClientOptions(text: string): ClientOptions {
  const options = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const values = options.get(name.toLowerCase()) ?? [];
    options.set(name.toLowerCase(), [...values, value]);
  }
  return options;
}

/** Where the values of an option come from; undefined: from no file. */
export function originOf(name: string, { all, system, none }: ClientReadings): "user" | "system" | undefined {
  const values = all.get(name);
  if (isDeepStrictEqual(values, none.get(name))) return undefined;
  return isDeepStrictEqual(values, system.get(name)) ? "system" : "user";
}
