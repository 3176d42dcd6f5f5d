import { noteActorEvent } from "../actors/event_feed.ts";
import { DEFAULT_JANITOR_INTERVALS } from "../actors/janitor.ts";
import type { Find } from "../actors/job_directory.ts";
import type { JobWorld } from "../actors/job_effects.ts";
import { ActorSystem } from "../actors/kernel/actor_system.ts";
import type { KernelEvent } from "../actors/kernel/events.ts";
import { roundTrip } from "../actors/round_trip.ts";
import { bartenderTree, DESTINATIONS, destinationTree } from "../actors/tree.ts";
import { loadPicker } from "../adapters/destination_picker/load.ts";
import { BartenderMetrics } from "../adapters/metrics/bartender_metrics.ts";
import packageJson from "../package.json" with { type: "json" };
import { assemble } from "./assembly.ts";
import type { DaemonInput, RunningDaemon } from "./cli/serve.ts";
import type { Config } from "./config/config.ts";
import { openConsole, ownProcess } from "./console_door.ts";
import { messageOf } from "./core/errors.ts";
import { frontDoor } from "./front_door.ts";
import { metricsHandler } from "./http/metrics_handler.ts";
import { loadPublicKey } from "./http/public_key.ts";
import { requestIds } from "./http/request_ids.ts";
import { liveEdge } from "./live_edge.ts";
import { countKernelEvent, observeActors } from "./observe_actors.ts";
import type { ReloadReport } from "./ports/admin_service.ts";
import type { Logger } from "./ports/logger.ts";
import { Reloader } from "./reload.ts";
import { bundledFile } from "./runtime/bundled_files.ts";
import { runtimeName } from "./runtime/self_command.ts";
import { type HttpServer, type SocketServer, serveHttp } from "./runtime/serve.ts";

/** How long running requests may take when the daemon stops. */
const REQUEST_GRACE_MS = 4_000;

/** How long those of the console may take, when everything else has stopped. */
const CONSOLE_GRACE_MS = 500;

/**
 * Puts the parts together and starts them: store, adapters, actors, and the HTTP server last.
 *
 * @param wrap see {@link assemble}
 * @throws when any part cannot start; the message says which setting is to blame, and nothing is left running
 */
export async function startDaemon(input: DaemonInput, wrap?: (world: JobWorld) => JobWorld): Promise<RunningDaemon> {
  const { environment, clock, logger, random } = input;
  // Said before anything is begun.
  await loadPublicKey(environment.publicKeyFile);
  const door = frontDoor({ hostname: environment.host, port: environment.port }, logger);
  const metrics = new BartenderMetrics(clock, { version: packageJson.version, runtime: runtimeName() });
  const { stopWaiting } = input;
  let hasWaited = false;
  const onWaiting = (holder: string): void => {
    hasWaited = true;
    door.standBy();
    input.onWaiting?.(holder);
  };
  const recovered = Promise.withResolvers<void>();
  const standby = stopWaiting === undefined ? undefined : { signal: stopWaiting, onWaiting };
  try {
    const latest = async () => (hasWaited ? await latestConfig(input) : input.config);
    const assembly = await assemble({ ...input, standby, latest, metrics }, wrap);
    const { world, live, built, directory, locks } = assembly;
    const find: Find = (name) => system.find(name);
    const jobs = assembly.serviceFor(find);
    const root = bartenderTree({
      world,
      directory,
      random,
      onRecovered: (count) => {
        logger.info("Unfinished jobs have their actors again", { jobs: count });
        recovered.resolve();
      },
      janitor: { ...assembly.janitorFor(jobs), intervals: DEFAULT_JANITOR_INTERVALS },
    });
    const onEvent = (event: KernelEvent): void => {
      countKernelEvent(metrics, event);
      noteActorEvent(assembly.feed, event, clock.nowMs());
    };
    const system = new ActorSystem({ root, clock, logger, onEvent });
    let stopMetrics = async (): Promise<void> => undefined;
    let consoleServer: SocketServer | undefined;
    const closeBelow = async (): Promise<void> => {
      await stopMetrics();
      await system.stop();
      await assembly.close();
      // Last, so that somebody can look on while the daemon stops.
      await consoleServer?.stop(CONSOLE_GRACE_MS);
    };
    const stopping = new AbortController();
    try {
      await system.start();
      observeActors(metrics, {
        ...{ system, clock, destinations: world.destinations },
        retrying: () => directory.retries.size,
      });
      const edge = await liveEdge(live.config, {
        interactive: { runner: built.runner, environment: built.commands },
        ...{ jobs, environment, clock, logger, metrics: metrics.http },
        nextRequestId: requestIds(random),
        stopping: stopping.signal,
        bundledFile,
        isTrustedPeer: environment.trustsForwardedFrom,
      });
      const reloader = new Reloader({
        ...{ live, built, clock, logger },
        store: world.store,
        children: () => system.find(DESTINATIONS),
        treeOf: (destination) => destinationTree(destination, world, random),
        prepareEdge: (next) => edge.prepare(next),
      });
      const parts = { find, jobs, process: ownProcess(input), inspect: () => system.inspect() };
      const admin = assembly.adminFor({ ...parts, reload: () => reload(input, reloader) });
      consoleServer = await openConsole(input, { admin, jobs, clock, logger, stopping: stopping.signal });
      const metricsServer = serveMetrics(environment.metrics, metrics, logger);
      stopMetrics = async () => metricsServer?.stop(0);
      const server = door.open(edge.fetch);
      let graceMs = REQUEST_GRACE_MS;
      const lost = locks.lost.then((error) => {
        // Somebody else may be writing already.
        graceMs = 0;
        return error;
      });
      return {
        url: `http://${server.hostname.includes(":") ? `[${server.hostname}]` : server.hostname}:${server.port}`,
        failed: Promise.race([system.failed, lost]),
        recovered: recovered.promise,
        roundTrip: (timeoutMs) =>
          roundTrip({
            ...{ find, clock, timeoutMs, destinations: world.destinations.keys() },
            pingStore: () => world.store.ping(),
          }),
        metrics: () => metrics.scrape(),
        reload: () => reload(input, reloader),
        async stop() {
          stopping.abort();
          await server.stop(graceMs);
          await reloader.close();
          await closeBelow();
          metrics.close();
        },
      };
    } catch (error) {
      await closeBelow();
      throw error;
    }
  } catch (error) {
    metrics.close();
    await door.close();
    throw error;
  }
}

function serveMetrics(
  at: DaemonInput["environment"]["metrics"],
  metrics: BartenderMetrics,
  logger: Logger,
): HttpServer | undefined {
  if (at === undefined) return undefined;
  const server = serveHttp(
    { hostname: at.host, port: at.port },
    metricsHandler(() => metrics.scrape(), logger),
  );
  logger.info("Measures are served for Prometheus", { hostname: server.hostname, port: server.port });
  return server;
}

/** What a standby begins with: it may have waited for long. One that cannot be used is told, and the first one counts. */
async function latestConfig({ config: first, readAgain, clock, logger }: DaemonInput): Promise<Config> {
  const { config: next, said } = await readAgain();
  const faults = next === undefined ? [...said] : [];
  if (next !== undefined) {
    if (next.jobRootDir !== first.jobRootDir) faults.push("job_root_dir: cannot change while a standby waits");
    await loadPicker(next, clock).catch((error: unknown) => faults.push(messageOf(error)));
  }
  for (const fault of faults) logger.error("The configuration was refused, and that of the start is used", { fault });
  return next === undefined || faults.length > 0 ? first : next;
}

/** Reads the configuration and takes it over, and writes what came of it into the log. */
async function reload({ readAgain, logger }: DaemonInput, reloader: Reloader): Promise<ReloadReport> {
  const { config: next, said } = await readAgain();
  const report = next === undefined ? { isDone: false, lines: said } : await reloader.reload(next);
  if (report.isDone) {
    for (const warning of said) logger.warn("The configuration may not be meant like this", { warning });
    logger.info("The configuration was taken over", { changes: report.lines });
  } else {
    for (const fault of report.lines)
      logger.error("The configuration was refused, and nothing of it taken over", { fault });
  }
  return report;
}
