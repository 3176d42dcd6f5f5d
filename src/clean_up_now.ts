import type { CleanUpReport } from "../actors/clean_up.ts";
import {
  type CleanUpPlaces,
  expiringApplications,
  type Finding,
  lostDirectories,
  lostIncoming,
  lostRecords,
  oldOrphans,
  staleUploads,
} from "../actors/clean_up_findings.ts";
import type { Find } from "../actors/job_directory.ts";
import { ActorSystem } from "../actors/kernel/actor_system.ts";
import { bartenderTree } from "../actors/tree.ts";
import { localLeftovers } from "../adapters/job_files/local_leftovers.ts";
import { openJobStore } from "../adapters/job_store/build.ts";
import { assemble } from "./assembly.ts";
import type { Superfluous } from "./cli/janitor.ts";
import type { DaemonInput } from "./cli/serve.ts";
import { assertNever } from "./core/assert_never.ts";
import { BartenderError } from "./core/errors.ts";
import type { RetentionRules } from "./core/retention.ts";
import { placesOf } from "./places.ts";
import { OtherWriterError } from "./writer_locks.ts";

/**
 * Does one round of the janitor without a daemon. Unfinished jobs are left alone.
 *
 * @throws {BartenderError} when a daemon is running
 */
export async function cleanUpNow(
  input: Omit<DaemonInput, "stopWaiting" | "readAgain" | "workingDirectory">,
): Promise<CleanUpReport> {
  const { clock, logger, random } = input;
  const assembly = await assemble({ ...input, standby: undefined }).catch((error: unknown) => {
    throw error instanceof OtherWriterError ? daemonRuns(error) : error;
  });
  const { world, directory } = assembly;
  const round = Promise.withResolvers<CleanUpReport>();
  const find: Find = (name) => system.find(name);
  const janitor = { ...assembly.janitorFor(assembly.serviceFor(find)), intervals: undefined, onRound: round.resolve };
  const root = bartenderTree({ world, directory, random, onRecovered: undefined, janitor });
  const system = new ActorSystem({ root, clock, logger });
  try {
    await system.start();
    const failed = system.failed.then((error) => {
      throw error;
    });
    const lost = assembly.locks.lost.then((error) => {
      throw error;
    });
    return await Promise.race([round.promise, failed, lost]);
  } finally {
    await system.stop();
    await assembly.close();
  }
}

function daemonRuns({ holder }: OtherWriterError): BartenderError {
  const text = `A Bartender is running, ${holder}: it cleans up by itself, at start and every hour`;
  return new BartenderError("daemon_runs", `${text}. With --dry-run this command lists what there is to do`);
}

/** How many jobs are read at a time. */
const PAGE = 1_000;

/**
 * Looks for what a round of the janitor would remove, and changes nothing; a daemon may be running.
 *
 * @throws {BartenderError} when the database is missing or not up to date
 */
export async function* previewCleanUp(
  input: Pick<DaemonInput, "config" | "environment" | "clock" | "logger">,
): AsyncGenerator<Superfluous> {
  const { config, environment, clock, logger } = input;
  const leftovers = localLeftovers(placesOf(config));
  const store = await openJobStore(environment.database, { logger, clock, mustBeCurrent: true });
  try {
    const places: CleanUpPlaces = { store, leftovers, clock };
    const owner = await leftovers.owner();
    const searches: readonly AsyncGenerator<Finding>[] = [
      staleUploads(places, new Set()),
      // In a job root of another database they are left alone.
      ...(owner === undefined || owner === store.instanceId ? [lostDirectories(places)] : []),
      oldOrphans(places),
      lostIncoming(places),
      lostRecords(places),
    ];
    for (const search of searches) {
      for await (const { leftover, ageMs } of search) {
        yield { what: describe({ leftover, ageMs }), bytes: await leftovers.bytes(leftover), ageMs };
      }
    }
    yield* expiredJobs(places, config.retention);
  } finally {
    await store.close();
  }
}

async function* expiredJobs(
  { store, leftovers, clock }: CleanUpPlaces,
  retention: RetentionRules,
): AsyncGenerator<Superfluous> {
  const nowMs = clock.nowMs();
  for (const { application, beforeMs } of await expiringApplications(store, retention, nowMs)) {
    for (let offset = 0; ; offset += PAGE) {
      const jobs = await store.finishedBefore({ application, beforeMs, limit: PAGE, offset });
      for (const { id, submitter, finishedOnMs } of jobs) {
        if (finishedOnMs >= beforeMs) continue;
        const bytes = await leftovers.bytes({ kind: "directory", id });
        yield { what: `job ${id} of ${submitter} (${application})`, bytes, ageMs: nowMs - finishedOnMs };
      }
      if (jobs.length < PAGE) break;
    }
  }
}

function describe({ leftover }: Finding): string {
  switch (leftover.kind) {
    case "upload":
      return `upload ${leftover.name} that was never accepted`;
    case "directory":
      return `directory ${leftover.id} without a job, to be set aside`;
    case "incoming":
      return `output of job ${leftover.id} that was being copied back`;
    case "orphan":
      return `directory ${leftover.name} that was set aside`;
    case "record":
      return `record ${leftover.tag} of an ended command`;
    default:
      return assertNever(leftover);
  }
}
