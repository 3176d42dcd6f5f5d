import { unavailableFeatures } from "../config/availability.ts";
import type { Config } from "../config/config.ts";
import { describeDatabase } from "../config/database_url.ts";
import { type Environment, resolveConfigFile } from "../config/environment.ts";
import { formatFinding } from "../config/finding.ts";
import { loadConfig } from "../config/load.ts";
import { messageOf } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { type CommandIo, EXIT } from "./io.ts";

/** What a daemon is made from. */
export interface DaemonInput {
  readonly config: Config;
  readonly environment: Environment;
  /** Environment of the process, for the commands to inherit what is allowed. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** At least 0, below 1. */
  readonly random: () => number;
}

export interface RunningDaemon {
  /** Where it listens, without a final slash. */
  readonly url: string;
  /** Resolves with the error when the daemon cannot go on. */
  readonly failed: Promise<unknown>;
  /** Finishes running requests, then stops everything in order. Running commands are left alone. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  /** Undefined: as the environment says. */
  readonly config: string | undefined;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly start: (input: DaemonInput) => Promise<RunningDaemon>;
  /** Resolves with the name of the signal that asks the daemon to stop. */
  readonly stopRequested: Promise<string>;
}

/**
 * Runs the daemon until it is asked to stop.
 *
 * @returns the exit status: 0 after an orderly stop, 1 when it could not start or go on
 */
export async function runServe(options: ServeOptions, io: CommandIo): Promise<number> {
  const { environment, logger, clock, random } = options;
  const config = await readConfig(options, io);
  if (config === undefined) return EXIT.fault;
  let daemon: RunningDaemon;
  try {
    daemon = await options.start({ config, environment, variables: io.env, clock, logger, random });
  } catch (error) {
    io.stderr(`bartender: ${messageOf(error)}\n`);
    return EXIT.fault;
  }
  io.stderr(`Bartender listens on ${daemon.url}\n`);
  logger.info("Bartender has started", {
    url: daemon.url,
    config: config.file,
    database: describeDatabase(environment.database),
  });
  const ended = await Promise.race([
    options.stopRequested.then((signal) => ({ signal })),
    daemon.failed.then((error) => ({ error })),
  ]);
  if ("signal" in ended) logger.info("Bartender is stopping", { signal: ended.signal });
  else logger.error("Bartender cannot go on", { error: ended.error });
  await daemon.stop();
  logger.info("Bartender has stopped");
  return "signal" in ended ? EXIT.ok : EXIT.fault;
}

async function readConfig(options: ServeOptions, io: CommandIo): Promise<Config | undefined> {
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
  const result = await loadConfig({ file, workingDirectory: io.cwd, missingJobRoot: "create" });
  for (const finding of result.warnings) io.stderr(`${formatFinding(file, finding, "warning")}\n`);
  if (!result.isValid) {
    for (const finding of result.faults) io.stderr(`${formatFinding(file, finding)}\n`);
    return undefined;
  }
  const unavailable = unavailableFeatures(result.config);
  for (const feature of unavailable) io.stderr(`${file}: ${feature}\n`);
  return unavailable.length === 0 ? result.config : undefined;
}
