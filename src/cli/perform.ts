import type { Config } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import type { NeedsSecrets } from "../config/secrets.ts";
import { messageOf } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { type CommandIo, EXIT } from "./io.ts";
import { type FollowFiles, readConfig } from "./read_config.ts";

/** What a performer is made from. */
export interface PerformerInput {
  readonly config: Config;
  /** Names of destinations, each with the scheduler `arq`. */
  readonly destinations: readonly string[];
  /** Where it keeps what its next life has to know; undefined: below the job root. */
  readonly stateDir: string | undefined;
  /** Environment of the process, for the commands to inherit what is allowed. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A number from 0 to 1. */
  readonly random: () => number;
  /** How long a Redis server must be up before anything begins. Default: that of the queue. */
  readonly settleMs?: number;
}

export interface RunningPerformer {
  /** Resolves with the error when it cannot go on. */
  readonly failed: Promise<unknown>;
  /** Takes no more jobs; resolves when the running ones have ended, or were ended as that took too long. */
  drain(): Promise<void>;
  /** Ends all commands at once. */
  endAll(reason: string): void;
  /** Stops everything. Commands that run are left alone; the next performer here takes them over. */
  stop(): Promise<void>;
}

export interface PerformOptions {
  readonly config: string;
  /** Undefined: all with the scheduler `arq`. */
  readonly destinations: readonly string[] | undefined;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly follow: FollowFiles;
  readonly start: (input: PerformerInput) => Promise<RunningPerformer>;
  /** Resolves with the name of the signal that asks to stop. */
  readonly stopRequested: Promise<string>;
  /** Resolves when somebody asks again and does not want to wait. */
  readonly stopInsisted: Promise<string>;
}

/**
 * Performs jobs from Redis until it is asked to stop. First it waits for its jobs; asked again, it ends them.
 *
 * @returns the exit status: 0 after an orderly stop, 1 when it could not start or go on
 */
export async function runPerform(options: PerformOptions, io: CommandIo): Promise<number> {
  const { environment, logger, clock, random } = options;
  // Those of other destinations need not be on this machine.
  const needsSecrets: NeedsSecrets = (name, type) =>
    (type === "arq" || type === "redis") && (options.destinations?.includes(name) ?? true);
  const config = await readConfig({ ...options, missingJobRoot: "create", needsSecrets, mayLackPicker: true }, io);
  if (config === undefined) return EXIT.fault;
  const destinations = chosen(config, options, io);
  if (destinations === undefined) return EXIT.fault;
  const stateDir = io.env.STATE_DIRECTORY?.split(":")[0];
  let performer: RunningPerformer;
  try {
    performer = await options.start({ config, destinations, stateDir, variables: io.env, clock, logger, random });
  } catch (error) {
    io.stderr(`bartender: ${messageOf(error)}\n`);
    return EXIT.fault;
  }
  for (const name of destinations) {
    io.stdout(`Worker running for '${name}' destination in ${options.config}.\n`);
  }
  logger.debug("Settings come from the environment", { level: environment.logLevel });
  const ended = await Promise.race([
    options.stopRequested.then((signal) => ({ signal })),
    performer.failed.then((error) => ({ error })),
  ]);
  if ("error" in ended) {
    logger.error("The performer cannot go on", { error: ended.error });
    await performer.stop();
    return EXIT.fault;
  }
  logger.info("The performer takes no more jobs and waits for those it has", { signal: ended.signal });
  void options.stopInsisted.then((signal) => {
    logger.warn("The performer was asked again and ends the jobs that it has", { signal });
    performer.endAll("The performer was stopped");
  });
  await Promise.race([performer.drain(), performer.failed]);
  await performer.stop();
  logger.info("The performer has stopped");
  return EXIT.ok;
}

/** The names to perform for; what is wrong with them is written. */
function chosen(config: Config, { destinations: asked }: PerformOptions, io: CommandIo): readonly string[] | undefined {
  const fitting = [...config.destinations]
    .filter(([, { scheduler }]) => scheduler.type === "arq")
    .map(([name]) => name);
  const unfit = (asked ?? []).filter((name) => !fitting.includes(name));
  for (const name of unfit) {
    const type = config.destinations.get(name)?.scheduler.type;
    const why = type === undefined ? "no such destination" : `its scheduler is ${type}, not arq`;
    io.stderr(`--destination ${name}: ${why} in ${config.file}\n`);
  }
  if (unfit.length > 0) return undefined;
  const names = asked === undefined ? fitting : [...new Set(asked)];
  if (names.length > 0) return names;
  io.stderr("No valid destination found in config file.\n");
  return undefined;
}
