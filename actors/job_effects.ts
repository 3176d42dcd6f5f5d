import type { Application } from "../src/core/application.ts";
import type { Picker } from "../src/core/destination_picker.ts";
import { BartenderError, faultOf } from "../src/core/errors.ts";
import { type AttemptTag, attemptTag, type JobId, type SchedulerJobId } from "../src/core/ids.ts";
import {
  holdsRunSlot,
  type Job,
  type Placement,
  placementOf,
  type SchedulerStatus,
  schedulerJobIdOf,
} from "../src/core/job.ts";
import type { QueueOrder } from "../src/core/slot_ledger.ts";
import type { JobFiles } from "../src/ports/job_files.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import type { Destination } from "./destination.ts";
import type { DestinationModes } from "./destination_modes.ts";
import type { HealthListener } from "./health_messages.ts";
import { type Patience, patiently } from "./patience.ts";

/** What the effects of jobs work on. */
export interface JobWorld {
  readonly applications: ReadonlyMap<string, Application>;
  readonly destinations: ReadonlyMap<string, Destination>;
  /** A throw, or an unknown name, ends the job with the reason. */
  readonly picker: Picker;
  readonly files: JobFiles;
  readonly store: JobStore;
  /** What administrators let the destinations do. */
  readonly modes: DestinationModes;
  /** What the picker chose for uploads before they became jobs, by their names. */
  readonly picks: Map<string, string>;
  /** What they have decided about the places of jobs in the queue. */
  readonly orders: ReadonlyMap<JobId, QueueOrder>;
  readonly onHealth?: HealthListener;
}

/** What became of a submission. */
export interface Submitted {
  readonly schedulerJobId: SchedulerJobId;
  /** Known at once where the scheduler can push. */
  readonly status: SchedulerStatus | null;
}

/** A destination that jobs were handed to and that the configuration no longer has; it may come back. */
class DestinationMissingError extends BartenderError {
  constructor(name: string) {
    super("destination_missing", `Destination "${name}" is not configured`, { retryable: true });
  }
}

/** The destination that was chosen takes no new jobs for now. */
export class DestinationDrainingError extends BartenderError {
  constructor(name: string) {
    super("destination_draining", `Destination "${name}" is being drained by an administrator`, { retryable: true });
  }
}

/**
 * Makes sure that the job has its directory, then asks the picker.
 *
 * @throws {DestinationDrainingError} when that chose a destination that takes no new jobs
 */
export async function admit(world: JobWorld, job: Job, upload: string): Promise<Placement> {
  await world.files.adopt(upload, job.id);
  const { application, submitter } = job;
  const picked = world.picks.get(upload);
  world.picks.delete(upload);
  const name = picked ?? (await world.picker.pick({ jobDir: world.files.directory(job.id), application, submitter }));
  const destination = world.destinations.get(name);
  if (destination === undefined) {
    throw new BartenderError(
      "destination_unknown",
      `The destination picker chose ${JSON.stringify(name)}, which is not configured`,
    );
  }
  if (world.modes.of(name) === "draining") throw new DestinationDrainingError(name);
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
  const resources = application.resources(job.parameters);
  const { submitter } = job;
  const schedulerJobId = await scheduler.submit(
    { directory, command, application: application.name, submitter, resources },
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

/** What the scheduler says about a job; null when it does not know it. */
export async function look(
  world: JobWorld,
  placement: Placement,
  schedulerJobId: SchedulerJobId,
  signal: AbortSignal,
): Promise<SchedulerStatus | null> {
  const statuses = await destinationOf(world, placement).scheduler.statuses([schedulerJobId], signal);
  return statuses.get(schedulerJobId) ?? null;
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

/**
 * Ends whatever the scheduler may have of a job, also when its submission was never answered.
 *
 * @returns false when such a submission was not found; it may still be on its way
 */
export async function endCommand(world: JobWorld, job: Job, signal: AbortSignal): Promise<boolean> {
  const placement = placementOf(job.progress);
  if (placement === null || !holdsRunSlot(job.progress)) return true;
  const id = schedulerJobIdOf(job.progress) ?? (await find(world, job, placement, job.attempt, signal));
  if (id !== null) await cancel(world, placement, id, signal);
  return id !== null;
}

/** Removes the copy at the destination and writes down why the job failed; a fault of one does not keep from the other. */
export async function close(
  world: JobWorld,
  job: Job,
  placement: Placement | null,
  reason: string | null,
  signal: AbortSignal,
): Promise<void> {
  const faults: unknown[] = [];
  const note = (error: unknown): void => void faults.push(error);
  if (reason !== null) await world.files.appendReason(job.id, reason).catch(note);
  await removeRemoteCopy(world, job, placement, signal).catch(note);
  // When one of them may succeed later, both are tried again.
  if (faults.length > 0) throw faults.find((fault) => faultOf(fault).retryable) ?? faults[0];
}

/**
 * Removes the copy at the destination, the job's directory and its row; the row last, so that it can be repeated.
 *
 * Once the row may be gone, the destination must not be needed any more: when its actors start anew, only jobs of the
 * store are told so.
 */
export async function remove(
  world: JobWorld,
  job: Job,
  placement: Placement | null,
  patience: Patience,
  signal: AbortSignal,
): Promise<void> {
  // What a destination that is gone still has is out of reach; its user wants the job gone all the same.
  if (placement !== null && world.destinations.has(placement.destination)) {
    await removeRemoteCopy(world, job, placement, signal);
  }
  await world.files.remove(job.id);
  await patiently(patience, () => world.store.remove(job.id), signal);
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

/** What the scheduler knows an attempt by. */
export function tagOf(world: JobWorld, job: Job, attempt: number): AttemptTag {
  return attemptTag(world.store.instanceId, job.id, attempt);
}
