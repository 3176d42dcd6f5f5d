import type { Config } from "../config/config.ts";
import { type Environment, resolveConfigFile } from "../config/environment.ts";
import { formatFinding } from "../config/finding.ts";
import type { MissingJobRoot } from "../config/job_root.ts";
import { loadConfig } from "../config/load.ts";
import type { NeedsSecrets } from "../config/secrets.ts";
import type { CommandIo } from "./io.ts";

export interface ReadConfigOptions {
  /** Undefined: as the environment says. */
  readonly config: string | undefined;
  readonly environment: Environment;
  readonly missingJobRoot: MissingJobRoot;
  /** Of which destinations files with secrets are read. Default: of all. */
  readonly needsSecrets?: NeedsSecrets;
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
  const { missingJobRoot, needsSecrets } = options;
  const result = await loadConfig({
    ...{ file, workingDirectory: io.cwd, missingJobRoot, needsSecrets },
    credentialsDirectory: io.env.CREDENTIALS_DIRECTORY,
  });
  for (const finding of result.warnings) io.stderr(`${formatFinding(file, finding, "warning")}\n`);
  if (!result.isValid) {
    for (const finding of result.faults) io.stderr(`${formatFinding(file, finding)}\n`);
    return undefined;
  }
  if (options.follow === undefined) return result.config;
  const { config, warnings, faults } = await options.follow(result.config, needsSecrets ?? (() => true));
  for (const text of warnings) io.stderr(`${file}: warning: ${text}\n`);
  for (const text of faults) io.stderr(`${file}: ${text}\n`);
  return faults.length > 0 ? undefined : config;
}
