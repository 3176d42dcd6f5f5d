import type { JobId, SchedulerJobId } from "../src/core/ids.ts";
import type { SchedulerStatus } from "../src/core/job.ts";
import type { JobEvent } from "../src/core/job_event.ts";
import type { DeleteResult } from "../src/ports/job_service.ts";
import type { ActorRef } from "./kernel/actor.ts";
import { type Name, nameOf } from "./kernel/registry.ts";

/** To the actor of one job. */
export type JobMessage =
  /** Something happened; answers of the job's own effects among it. */
  | { readonly type: "event"; readonly event: JobEvent }
  /** The effect under way has answered. `makeEvent` gets the number of failures in a row, from 1. */
  | { readonly type: "effect_ended"; readonly makeEvent: (failures: number) => JobEvent; readonly hasFailed: boolean }
  /** The wait after a failure is over. */
  | { readonly type: "retry_due" }
  /** The destination's actors started anew and know nothing of this job. */
  | { readonly type: "destination_restarted" }
  /** Remove the job with all its files; answered when nothing is left, or when it cannot be done now. */
  | { readonly type: "delete"; readonly by: string; readonly reply: (result: DeleteResult) => void };

/** To the actor that owns the run slots of a destination. */
export type DestinationMessage =
  /** Queue for a slot; answered by the event `run_slot_granted`. */
  | {
      readonly type: "request_slot";
      readonly id: JobId;
      readonly submitter: string;
      readonly job: ActorRef<JobMessage>;
    }
  /** The job is with the scheduler already, so it holds a slot. */
  | { readonly type: "hold_slot"; readonly id: JobId; readonly submitter: string; readonly job: ActorRef<JobMessage> }
  /** Give the slot back or leave the queue. */
  | { readonly type: "release_slot"; readonly id: JobId }
  /** A job's actor has ended, in whatever way. */
  | { readonly type: "job_ended"; readonly id: JobId }
  | { readonly type: "describe"; readonly reply: (description: DestinationDescription) => void };

export interface DestinationDescription {
  readonly name: string;
  readonly capacity: number;
  readonly held: number;
  readonly waiting: number;
}

/** To the actor that watches a destination's scheduler. */
export type PollerMessage =
  /** Report every change of this job as event `status_observed`. */
  | { readonly type: "watch"; readonly schedulerJobId: SchedulerJobId; readonly job: ActorRef<JobMessage> }
  /** The end of this job is saved: nobody will ask for it again. */
  | { readonly type: "forget"; readonly schedulerJobId: SchedulerJobId }
  /** The scheduler pushed; what it said lies in the poller's own queue. */
  | { readonly type: "pushed" }
  | { readonly type: "tick" }
  | { readonly type: "answered"; readonly statuses: ReadonlyMap<SchedulerJobId, SchedulerStatus> }
  | { readonly type: "unanswered"; readonly error: unknown }
  | { readonly type: "forgotten" };

/** To the actor that moves files between the daemon and a destination. */
export type StagerMessage =
  /** Copy; answered by the event `staged_in`, `staged_out` or its failure, as an effect of the job. */
  | {
      readonly type: "transfer";
      readonly direction: "in" | "out";
      readonly id: JobId;
      readonly job: ActorRef<JobMessage>;
    }
  | { readonly type: "transfer_ended"; readonly id: JobId; readonly answer: () => void };

export function jobName(id: JobId): Name<ActorRef<JobMessage>> {
  return nameOf(`job:${id}`);
}

export function destinationName(name: string): Name<ActorRef<DestinationMessage>> {
  return nameOf(`destination:${name}`);
}

export function pollerName(name: string): Name<ActorRef<PollerMessage>> {
  return nameOf(`poller:${name}`);
}

export function stagerName(name: string): Name<ActorRef<StagerMessage>> {
  return nameOf(`stager:${name}`);
}
