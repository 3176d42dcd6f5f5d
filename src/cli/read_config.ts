import type { Config } from "../config/config.ts";
import { type Environment, resolveConfigFile } from "../config/environment.ts";
import { formatFinding } from "../config/finding.ts";
import { type LoadOptions, loadConfig } from "../config/load.ts";
import type { NeedsSecrets } from "../config/secrets.ts";
import type { CommandIo } from "./io.ts";

export interface ReadFileOptions
  extends Pick<LoadOptions, "missingJobRoot" | "needsSecrets" | "deniedSecrets" | "mayLackPicker"> {
  /** Undefined: as the environment says. */
  readonly config: string | undefined;
  readonly environment: Environment;
}

export interface ReadConfigOptions extends ReadFileOptions {
  /** For commands that work with destinations. */
  readonly follow?: FollowFiles;
}

/** Puts what other files say about the hosts of a configuration into it; `needs` says which destinations will be used. */
export type FollowFiles = (config: Config, needs: NeedsSecrets) => Promise<FollowedFiles>;

export interface FollowedFiles {
  readonly config: Config;
  /** One line each, with the key of the configuration that they are about. */
  readonly warnings: readonly string[];
  readonly faults: readonly string[];
}

/**
 * Reads the configuration for a command that works with it, and writes everything that is wrong with it.
 *
 * @returns undefined when it cannot be used
 */
export async function readConfig(options: ReadConfigOptions, io: CommandIo): Promise<Config | undefined> {
  const read = await readConfigFile(options, io);
  if (read === undefined || options.follow === undefined) return read?.config;
  const { config, warnings, faults } = await options.follow(read.config, options.needsSecrets ?? (() => true));
  for (const text of warnings) io.stderr(`${read.file}: warning: ${text}\n`);
  for (const text of faults) io.stderr(`${read.file}: ${text}\n`);
  return faults.length > 0 ? undefined : config;
}

/** The same for what the file alone says, with the name of that file. */
export async function readConfigFile(
  options: ReadFileOptions,
  io: CommandIo,
): Promise<{ readonly file: string; readonly config: Config } | undefined> {
  const choice =
    options.config === undefined
      ? resolveConfigFile(options.environment, io.cwd)
      : { isValid: true as const, file: options.config, warning: undefined };
  if (!choice.isValid) {
    io.stderr(`${choice.reason}\n`);
    return undefined;
  }
  const { file, warning } = choice;
  if (warning !== undefined) io.stderr(`warning: ${warning}\n`);
  const { missingJobRoot, needsSecrets, deniedSecrets, mayLackPicker } = options;
  const result = await loadConfig({
    ...{ file, missingJobRoot, needsSecrets, deniedSecrets, mayLackPicker, workingDirectory: io.cwd },
    credentialsDirectory: io.env.CREDENTIALS_DIRECTORY,
  });
  for (const finding of result.warnings) io.stderr(`${formatFinding(file, finding, "warning")}\n`);
  if (result.isValid) return { file, config: result.config };
  for (const finding of result.faults) io.stderr(`${formatFinding(file, finding)}\n`);
  return undefined;
}
