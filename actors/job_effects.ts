import type { Application } from "../src/core/application.ts";
import type { Picker } from "../src/core/destination_picker.ts";
import { BartenderError } from "../src/core/errors.ts";
import { type AttemptTag, attemptTag, type SchedulerJobId } from "../src/core/ids.ts";
import {
  holdsRunSlot,
  type Job,
  type Placement,
  placementOf,
  type SchedulerStatus,
  schedulerJobIdOf,
} from "../src/core/job.ts";
import type { JobFiles } from "../src/ports/job_files.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import type { Destination } from "./destination.ts";

/** What the effects of jobs work on. */
export interface JobWorld {
  readonly applications: ReadonlyMap<string, Application>;
  readonly destinations: ReadonlyMap<string, Destination>;
  /** A throw, or an unknown name, ends the job with the reason. */
  readonly picker: Picker;
  readonly files: JobFiles;
  readonly store: JobStore;
}

/** What became of a submission. */
export interface Submitted {
  readonly schedulerJobId: SchedulerJobId;
  /** Known at once where the scheduler can push. */
  readonly status: SchedulerStatus | null;
}

/** A destination that jobs were handed to and that the configuration no longer has; it may come back. */
export class DestinationMissingError extends BartenderError {
  constructor(name: string) {
    super("destination_missing", `Destination "${name}" is not configured`, { retryable: true });
  }
}

/** Makes sure that the job has its directory, then asks the picker. */
export async function admit(world: JobWorld, job: Job, upload: string): Promise<Placement> {
  await world.files.adopt(upload, job.id);
  const { application, submitter } = job;
  const name = await world.picker.pick({ jobDir: world.files.directory(job.id), application, submitter });
  const destination = world.destinations.get(name);
  if (destination === undefined) {
    throw new BartenderError(
      "destination_unknown",
      `The destination picker chose ${JSON.stringify(name)}, which is not configured`,
    );
  }
  return { destination: destination.name, isStaged: destination.fileSystem.isStaged };
}

/** Renders the command and hands the job to the scheduler; the scheduler sees to it that a tag runs only once. */
export async function submit(
  world: JobWorld,
  job: Job,
  placement: Placement,
  attempt: number,
  signal: AbortSignal,
): Promise<Submitted> {
  const { scheduler, fileSystem } = destinationOf(world, placement);
  const application = world.applications.get(job.application);
  if (application === undefined) {
    throw new BartenderError("application_unknown", `Application "${job.application}" is not configured`);
  }
  const command = application.command.render(job.parameters);
  const directory = fileSystem.locate(job.id, world.files.directory(job.id));
  const { submitter } = job;
  const schedulerJobId = await scheduler.submit(
    { directory, command, application: application.name, submitter },
    tagOf(world, job, attempt),
    signal,
  );
  if (scheduler.listen === undefined) return { schedulerJobId, status: null };
  const statuses = await scheduler.statuses([schedulerJobId], signal);
  return { schedulerJobId, status: statuses.get(schedulerJobId) ?? null };
}

/** Looks the attempt up on the scheduler. @returns null when the scheduler definitely does not have it */
export async function find(
  world: JobWorld,
  job: Job,
  placement: Placement,
  attempt: number,
  signal: AbortSignal,
): Promise<SchedulerJobId | null> {
  const { scheduler } = destinationOf(world, placement);
  return (await scheduler.find(tagOf(world, job, attempt), signal)) ?? null;
}

/** Ends the command; resolves when nothing of it is left. */
export function cancel(
  world: JobWorld,
  placement: Placement,
  schedulerJobId: SchedulerJobId,
  signal: AbortSignal,
): Promise<void> {
  return destinationOf(world, placement).scheduler.cancel(schedulerJobId, signal);
}

/** Ends whatever the scheduler may have of a job, also when its submission was never answered. */
export async function endCommand(world: JobWorld, job: Job, signal: AbortSignal): Promise<void> {
  const placement = placementOf(job.progress);
  if (placement === null || !holdsRunSlot(job.progress)) return;
  const id = schedulerJobIdOf(job.progress) ?? (await find(world, job, placement, job.attempt, signal));
  if (id !== null) await cancel(world, placement, id, signal);
}

/** Removes the copy at the destination, then writes down why the job failed. */
export async function close(
  world: JobWorld,
  job: Job,
  placement: Placement | null,
  reason: string | null,
  signal: AbortSignal,
): Promise<void> {
  if (reason !== null) await world.files.appendReason(job.id, reason);
  await removeRemoteCopy(world, job, placement, signal);
}

/** Removes the copy at the destination, the job's directory and its row; the row last, so that it can be repeated. */
export async function remove(
  world: JobWorld,
  job: Job,
  placement: Placement | null,
  signal: AbortSignal,
): Promise<void> {
  // What a destination that is gone still has is out of reach; its user wants the job gone all the same.
  if (placement !== null && world.destinations.has(placement.destination)) {
    await removeRemoteCopy(world, job, placement, signal);
  }
  await world.files.remove(job.id);
  await world.store.remove(job.id);
}

async function removeRemoteCopy(
  world: JobWorld,
  job: Job,
  placement: Placement | null,
  signal: AbortSignal,
): Promise<void> {
  if (placement === null || !placement.isStaged) return;
  const { fileSystem } = destinationOf(world, placement);
  await fileSystem.remove(fileSystem.locate(job.id, world.files.directory(job.id)), signal);
}

function destinationOf(world: JobWorld, placement: Placement): Destination {
  const destination = world.destinations.get(placement.destination);
  if (destination === undefined) throw new DestinationMissingError(placement.destination);
  return destination;
}

function tagOf(world: JobWorld, job: Job, attempt: number): AttemptTag {
  return attemptTag(world.store.instanceId, job.id, attempt);
}
