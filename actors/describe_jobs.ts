import { DESTINATION_PARTS } from "../src/core/destination_health.ts";
import type { JobId } from "../src/core/ids.ts";
import { isFinished, type Job, placementOf } from "../src/core/job.ts";
import { type Circumstances, type PendingRetry, reasonOf } from "../src/core/job_reason.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { JobView } from "../src/ports/job_service.ts";
import { askBriefly } from "./ask_briefly.ts";
import { type HealthDescription, type HealthMessage, healthName } from "./health_messages.ts";
import type { Find } from "./job_directory.ts";
import type { JobWorld } from "./job_effects.ts";
import { type DestinationMessage, destinationName } from "./messages.ts";

export interface Surroundings {
  readonly world: Pick<JobWorld, "destinations">;
  /** Jobs that wait for another try. */
  readonly retries: ReadonlyMap<JobId, PendingRetry>;
  readonly find: Find;
  readonly clock: Clock;
}

/** What is known about each of `jobs` at this moment, in the same order; each destination is asked once for all. */
export async function describeJobs(
  { world, retries, find, clock }: Surroundings,
  jobs: readonly Job[],
): Promise<readonly JobView[]> {
  const waiting = new Map<string, JobId[]>();
  for (const { id, progress } of jobs) {
    if (progress.phase !== "waiting") continue;
    const ids = waiting.get(progress.destination) ?? [];
    ids.push(id);
    waiting.set(progress.destination, ids);
  }
  const unfinished = jobs.filter((job) => !isFinished(job)).flatMap(({ progress }) => placementOf(progress) ?? []);
  const positions = new Map<JobId, number>();
  const outages = new Map<string, Circumstances["outages"]>();
  await Promise.all([
    ...[...waiting].map(async ([destination, ids]) => {
      for (const [id, position] of await locate(find, clock, destination, ids)) positions.set(id, position);
    }),
    ...[...new Set(unfinished.map(({ destination }) => destination))].map(async (destination) => {
      outages.set(destination, await outagesOf(find, clock, destination));
    }),
  ]);
  return jobs.map((job) => {
    const position = positions.get(job.id);
    const placement = placementOf(job.progress);
    const isDestinationMissing = placement !== null && !world.destinations.has(placement.destination);
    const retry = isFinished(job) ? null : (retries.get(job.id) ?? null);
    return {
      job,
      reason: reasonOf(job, { retry, isDestinationMissing, outages: outages.get(placement?.destination ?? "") ?? {} }),
      queuePosition: position === undefined ? null : position + 1,
    };
  });
}

/** Where jobs stand in the queue of a destination, 0 being next; empty when it does not answer. */
async function locate(
  find: Find,
  clock: Clock,
  destination: string,
  ids: readonly JobId[],
): Promise<ReadonlyMap<JobId, number>> {
  const positions = await askBriefly<DestinationMessage, ReadonlyMap<JobId, number>>(
    find(destinationName(destination)),
    (reply) => ({ type: "locate", ids, reply }),
    clock,
  );
  return positions ?? new Map();
}

async function outagesOf(find: Find, clock: Clock, destination: string): Promise<Circumstances["outages"]> {
  const health = await askBriefly<HealthMessage, HealthDescription>(
    find(healthName(destination)),
    (reply) => ({ type: "describe", reply }),
    clock,
  );
  if (health === undefined) return {};
  const { credential } = health;
  return Object.fromEntries(
    DESTINATION_PARTS.flatMap((part) => {
      // Without it the part has nothing new to say.
      const need = credential?.state === "lost" && credential.parts.includes(part) ? credential : health[part];
      return need.state === "degraded" || need.state === "lost"
        ? [[part, { reason: need.reason, dueMs: need.nextTryMs }]]
        : [];
    }),
  );
}
