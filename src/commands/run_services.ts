import { fstatSync } from "node:fs";
import process from "node:process";
import { type DestinationStream, destination } from "pino";
import { localCommandRunner } from "../../adapters/command_runner/local.ts";
import { isJournal, journalLines } from "../../adapters/logger/journal_lines.ts";
import { LOG_LEVELS, type LogLevel } from "../../adapters/logger/log_levels.ts";
import { pinoLogger } from "../../adapters/logger/pino_logger.ts";
import { readableLines } from "../../adapters/logger/readable_lines.ts";
import { EXIT } from "../cli/io.ts";
import { runJanitor } from "../cli/janitor.ts";
import { type PerformerInput, runPerform } from "../cli/perform.ts";
import type { FollowFiles } from "../cli/read_config.ts";
import { type DaemonInput, runServe } from "../cli/serve.ts";
import type { Config } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import { clientFilesFollower } from "../follow_client_files.ts";
import type { Logger } from "../ports/logger.ts";
import { serviceManager } from "../runtime/sd_notify.ts";
import { onReloadSignal, onStopSignals, onUncaught } from "../runtime/signals.ts";
import type { Surroundings } from "./surroundings.ts";

/*
 * What follows the reading of the configuration is loaded only then: a daemon with all its adapters takes longer to load than
 * to say that its configuration is wrong.
 */

export interface ServeFlags {
  readonly config?: string;
  readonly standby: boolean;
}

/** Runs the daemon, and ends the process with it. */
export async function serve(
  { config, standby: isStandby }: ServeFlags,
  environment: Environment,
  given: Surroundings,
): Promise<never> {
  const { clock } = given;
  const logger = pinoLogger(environment.logLevel satisfies LogLevel, logStream());
  onUncaught((error) => logger.error("A fault that nobody caught ends the daemon", { error }));
  const stopRequested = new Promise<string>((resolve) => {
    // Who asks twice does not want to wait.
    onStopSignals(resolve, () => process.exit(EXIT.fault));
  });
  const logLevel = {
    get: () => logger.level(),
    levels: LOG_LEVELS,
    set: (level: string) => logger.setLevel(LOG_LEVELS.find((known) => known === level) ?? logger.level()),
  };
  const manager = serviceManager(process.env, (reason) => {
    logger.warn("The service manager does not learn how the daemon is", { reason });
  });
  const options = {
    ...{ config, isStandby, environment, clock, logger, logLevel, random: Math.random },
    ...{ manager, start: async (input: DaemonInput) => (await import("../daemon.ts")).startDaemon(input) },
    ...{ follow: follower(logger, given) },
    ...{ stopRequested, onReload: onReloadSignal },
  };
  const status = await runServe(options, given);
  // Timers of libraries must not keep a stopped daemon alive.
  process.exit(status);
}

export interface PerformFlags {
  readonly config: string;
  readonly destination?: string[];
}

/** Runs a performer, and ends the process with it. */
export async function perform(
  { config, destination: destinations }: PerformFlags,
  environment: Environment,
  given: Surroundings,
): Promise<never> {
  const { clock } = given;
  const logger = pinoLogger(environment.logLevel satisfies LogLevel, logStream());
  onUncaught((error) => logger.error("A fault that nobody caught ends the performer", { error }));
  const asked = Promise.withResolvers<string>();
  const insisted = Promise.withResolvers<string>();
  onStopSignals(asked.resolve, insisted.resolve);
  const options = {
    ...{ config, destinations, environment, clock, logger, random: Math.random, follow: follower(logger, given) },
    ...{ start: async (input: PerformerInput) => (await import("../performer.ts")).startPerformer(input) },
    ...{ stopRequested: asked.promise, stopInsisted: insisted.promise },
  };
  const status = await runPerform(options, given);
  // Timers of libraries must not keep a stopped performer alive.
  process.exit(status);
}

export interface JanitorFlags {
  readonly config?: string;
  readonly dryRun: boolean;
}

/** Does one round of the janitor. @returns the exit status */
export async function cleanUp(
  { config, dryRun: isDryRun }: JanitorFlags,
  environment: Environment,
  given: Surroundings,
): Promise<number> {
  const logger = pinoLogger(environment.logLevel satisfies LogLevel, { write: given.stderr });
  const { cleanUpNow, previewCleanUp } = await import("../clean_up_now.ts");
  const input = { environment, variables: given.env, clock: given.clock, logger, random: Math.random };
  const options = {
    ...{ config, environment, isDryRun, follow: follower(logger, given) },
    cleanUp: async (read: Config) => ({ ...(await cleanUpNow({ ...input, config: read })) }),
    preview: (read: Config) => previewCleanUp({ ...input, config: read }),
  };
  return await runJanitor(options, given);
}

/** For people on a terminal, with priorities for the journal, else plain JSON. */
function logStream(): DestinationStream {
  // Synchronous, so that the line about the fault that ends the process is still written.
  const output = destination({ dest: 1, sync: true });
  const write = (text: string): void => void output.write(text);
  if (process.stdout.isTTY) return readableLines(write, (process.env.NO_COLOR ?? "") === "");
  return isJournal(process.env.JOURNAL_STREAM, fstatSync(1)) ? journalLines(write) : output;
}

/** Follows the OpenSSH client files of this user. */
function follower(logger: Logger, { clock, env }: Surroundings): FollowFiles {
  return clientFilesFollower({ runner: localCommandRunner({ clock, logger }), variables: env });
}
