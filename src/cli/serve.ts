import type { Config } from "../config/config.ts";
import { describeDatabase } from "../config/database_url.ts";
import type { Environment } from "../config/environment.ts";
import { messageOf } from "../core/errors.ts";
import type { ReloadReport } from "../ports/admin_service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger, LogLevelControl } from "../ports/logger.ts";
import type { MetricsPage } from "../ports/metrics.ts";
import type { ServiceManager } from "../ports/service_manager.ts";
import { type CommandIo, EXIT } from "./io.ts";
import { type FollowFiles, readConfig } from "./read_config.ts";
import { feedWatchdog } from "./watchdog.ts";

/** What a daemon is made from. */
export interface DaemonInput {
  readonly config: Config;
  readonly environment: Environment;
  /** Absolute. */
  readonly workingDirectory: string;
  /** Environment of the process, for the commands to inherit what is allowed. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: the level of the log cannot be changed. */
  readonly logLevel?: LogLevelControl | undefined;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** For a standby: waits while another daemon works, until this aborts. Undefined: refuses to start then. */
  readonly stopWaiting: AbortSignal | undefined;
  /** Reads the configuration once more, for a reload. */
  readonly readAgain: () => Promise<ConfigReading>;
  /** For a standby: told for each other daemon that it waits for. */
  readonly onWaiting?: (holder: string) => void;
}

/** A configuration, or why there is none; warnings are told in both cases. */
export interface ConfigReading {
  readonly config: Config | undefined;
  /** Each fault and warning with file, line and column. */
  readonly said: readonly string[];
}

export interface RunningDaemon {
  /** Where it listens, without a final slash. */
  readonly url: string;
  /** Resolves with the error when the daemon cannot go on. */
  readonly failed: Promise<unknown>;
  /** Resolves when all unfinished jobs are looked after again. */
  readonly recovered: Promise<void>;
  /** Sends a message through all actors but those of jobs. @returns who did not answer in time; empty when all is well */
  roundTrip(timeoutMs: number): Promise<readonly string[]>;
  /** What the daemon measures, as it is now. */
  readonly metrics: () => Promise<MetricsPage>;
  /** Reads the configuration again and takes over all of it, or nothing. The log tells what came of it. Never rejects. */
  reload(): Promise<ReloadReport>;
  /** Finishes running requests, then stops everything in order. Running commands are left alone. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  /** Undefined: as the environment says. */
  readonly config: string | undefined;
  /** Waits while another daemon works, and takes over when that ends. */
  readonly isStandby: boolean;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: the level of the log cannot be changed. */
  readonly logLevel?: LogLevelControl;
  readonly random: () => number;
  readonly follow: FollowFiles;
  readonly start: (input: DaemonInput) => Promise<RunningDaemon>;
  readonly manager: ServiceManager;
  /** Resolves with the name of the signal that asks the daemon to stop. */
  readonly stopRequested: Promise<string>;
  /** Calls its argument whenever the configuration is to be read again. */
  readonly onReload: (reload: () => void) => void;
}

/**
 * Runs the daemon until it is asked to stop.
 *
 * @returns the exit status: 0 after an orderly stop, 1 when it could not start or go on
 */
export async function runServe(options: ServeOptions, io: CommandIo): Promise<number> {
  const { environment, logger, logLevel, clock, random, manager } = options;
  const config = await readConfig({ ...options, missingJobRoot: "create" }, io);
  if (config === undefined) return EXIT.fault;
  const waiting = new AbortController();
  void options.stopRequested.then((signal) => waiting.abort(signal));
  const stopWaiting = options.isStandby ? waiting.signal : undefined;
  // A standby is ready for what it is there for.
  const onWaiting = (holder: string): void => manager.ready(`Standing by until ${holder} ends`);
  const readAgain = async (): Promise<ConfigReading> => {
    const said: string[] = [];
    const collect = { ...io, stderr: (text: string) => void said.push(text.trimEnd()) };
    return { config: await readConfig({ ...options, missingJobRoot: "accept" }, collect), said };
  };
  const given = { config, environment, workingDirectory: io.cwd, variables: io.env, clock, logger, logLevel, random };
  const input = { ...given, stopWaiting, readAgain, onWaiting };
  let daemon: RunningDaemon | undefined;
  const look = async (timeoutMs: number) => (await daemon?.roundTrip(timeoutMs)) ?? [];
  options.onReload(() => {
    if (daemon === undefined) logger.info("The configuration is read anyway before the daemon begins to work");
    else void reload(daemon, manager);
  });
  const endWatchdog = feedWatchdog({ manager, clock, logger, look });
  try {
    daemon = await options.start(input);
  } catch (error) {
    endWatchdog();
    if (stopWaiting?.aborted === true) return EXIT.ok;
    io.stderr(`bartender: ${messageOf(error)}\n`);
    return EXIT.fault;
  }
  io.stderr(`Bartender listens on ${daemon.url}\n`);
  logger.info("Bartender has started", {
    url: daemon.url,
    config: config.file,
    database: describeDatabase(environment.database),
  });
  const { url } = daemon;
  void daemon.recovered.then(() => manager.ready(`Serving at ${url}`));
  if (environment.workersCount > 1) {
    logger.info("One process serves all users at the same time; BARTENDER_WORKERS_COUNT is not needed any more");
  }
  const ended = await Promise.race([
    options.stopRequested.then((signal) => ({ signal })),
    daemon.failed.then((error) => ({ error })),
  ]);
  if ("signal" in ended) logger.info("Bartender is stopping", { signal: ended.signal });
  else logger.error("Bartender cannot go on", { error: ended.error });
  manager.stopping();
  endWatchdog();
  await daemon.stop();
  logger.info("Bartender has stopped");
  return "signal" in ended ? EXIT.ok : EXIT.fault;
}

async function reload(daemon: RunningDaemon, manager: ServiceManager): Promise<void> {
  manager.reloading();
  const { isDone } = await daemon.reload();
  manager.ready(`Serving at ${daemon.url}${isDone ? "" : "; the last reload was refused, the log tells why"}`);
}
