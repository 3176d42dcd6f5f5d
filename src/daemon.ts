import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Destination } from "../actors/destination.ts";
import { JobDirectory } from "../actors/job_directory.ts";
import type { JobWorld } from "../actors/job_effects.ts";
import { createJobService } from "../actors/job_service.ts";
import { ActorSystem } from "../actors/kernel/actor_system.ts";
import { DEFAULT_POLL_INTERVALS } from "../actors/status_poller.ts";
import { bartenderTree } from "../actors/tree.ts";
import { unfinishedJobs } from "../actors/unfinished_jobs.ts";
import { localCommandRunner } from "../adapters/command_runner/local.ts";
import { loadPicker } from "../adapters/destination_picker/load.ts";
import { buildFileSystem } from "../adapters/file_system/build.ts";
import { localJobFiles } from "../adapters/job_files/local_job_files.ts";
import { openJobStore } from "../adapters/job_store/build.ts";
import { buildScheduler } from "../adapters/scheduler/build.ts";
import { commandEnvironment } from "../adapters/scheduler/command_environment.ts";
import { machineLoadPerCpu } from "../adapters/scheduler/eager.ts";
import type { DaemonInput, RunningDaemon } from "./cli/serve.ts";
import type { DestinationConfig } from "./config/config.ts";
import { DEFAULT_BACKOFF } from "./core/backoff.ts";
import { createApp } from "./http/app.ts";
import { loadPublicKey } from "./http/public_key.ts";
import { createTokenVerifier } from "./http/token_verifier.ts";
import type { JobFiles } from "./ports/job_files.ts";
import type { JobStore } from "./ports/job_store.ts";
import { serveHttp } from "./runtime/serve.ts";

/** Below the job root, beside the directories of the jobs; not served. */
const PRIVATE_DIR = ".bartender";

/** How many verified tokens are remembered. */
const TOKEN_CACHE_SIZE = 10_000;

/** How long running requests may take when the daemon stops. */
const REQUEST_GRACE_MS = 4_000;

/**
 * Puts the parts together and starts them: store, adapters, actors, and the HTTP server last.
 *
 * @throws when any part cannot start; the message says which setting is to blame, and nothing is left running
 */
export async function startDaemon(input: DaemonInput): Promise<RunningDaemon> {
  const { config, environment, clock, logger, random, variables } = input;
  const publicKey = await loadPublicKey(environment.publicKeyFile);
  const picker = await loadPicker(config);
  const privateDir = join(config.jobRootDir, PRIVATE_DIR);
  const [uploadDir, controlDir] = [join(privateDir, "uploads"), join(privateDir, "attempts")];
  for (const path of [privateDir, uploadDir, controlDir]) await mkdir(path, { recursive: true, mode: 0o700 });

  const store = await openJobStore(environment.database, { logger, clock });
  try {
    const files = localJobFiles(config.jobRootDir, uploadDir);
    await sweepUploads(store, files);
    const commands = commandEnvironment(variables, config.commandEnvironment);
    const build = ([name, settings]: readonly [string, DestinationConfig]): readonly [string, Destination] => [
      name,
      {
        name,
        scheduler: buildScheduler(settings.scheduler, { controlDir, environment: commands, clock, logger }),
        fileSystem: buildFileSystem(settings.fileSystem),
      },
    ];
    const destinations = new Map([...config.destinations].map(build));
    const world: JobWorld = { applications: config.applications, destinations, picker, files, store };
    const directory = new JobDirectory({ world, clock, logger, backoff: DEFAULT_BACKOFF, random });
    const root = bartenderTree({
      world,
      directory,
      pollIntervals: DEFAULT_POLL_INTERVALS,
      onRecovered: (jobs) => logger.info("Unfinished jobs have their actors again", { jobs }),
    });
    const system = new ActorSystem({ root, clock, logger });
    const find = system.find.bind(system);
    const closeBelow = async (): Promise<void> => {
      await system.stop();
      for (const { scheduler, fileSystem } of destinations.values()) {
        await scheduler.close();
        await fileSystem.close();
      }
      await store.close();
    };
    try {
      await system.start();
      const app = createApp({
        jobs: createJobService({ world, directory, find, clock, jobRootDir: config.jobRootDir, uploadDir }),
        applications: config.applications,
        interactive: {
          applications: config.interactiveApplications,
          runner: localCommandRunner({ clock, logger }),
          environment: commands,
          maxLoad: config.limits.interactiveMaxLoad,
          load: machineLoadPerCpu,
        },
        verifyToken: createTokenVerifier({
          publicKey,
          clock,
          issuers: config.tokens.issuers,
          cacheSize: TOKEN_CACHE_SIZE,
        }),
        tokens: config.tokens,
        limits: config.limits,
        clock,
        logger,
        isTrustedPeer: environment.trustsForwardedFrom,
      });
      const server = serveHttp({ hostname: environment.host, port: environment.port }, (request, connection) =>
        app.fetch(request, connection),
      );
      return {
        url: `http://${server.hostname.includes(":") ? `[${server.hostname}]` : server.hostname}:${server.port}`,
        failed: system.failed,
        async stop() {
          await server.stop(REQUEST_GRACE_MS);
          await closeBelow();
        },
      };
    } catch (error) {
      await closeBelow();
      throw error;
    }
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** An upload whose job was saved may still have to be moved in place; all others have nobody who waits for them. */
async function sweepUploads(store: JobStore, files: JobFiles): Promise<void> {
  const accepted = new Set<string>();
  for await (const { progress } of unfinishedJobs(store)) {
    if (progress.phase === "accepted") accepted.add(progress.upload);
  }
  await files.sweepUploads(accepted);
}
