import type { JobId, SchedulerJobId } from "../src/core/ids.ts";
import type { SchedulerStatus } from "../src/core/job.ts";
import type { JobEvent } from "../src/core/job_event.ts";
import type { CancelResult, DeleteResult } from "../src/ports/job_service.ts";
import type { TryGranted, TryOutcome } from "./health_messages.ts";
import type { ActorRef } from "./kernel/actor.ts";
import { type Name, nameOf } from "./kernel/registry.ts";

/** To the actor of one job. */
export type JobMessage =
  /** Something happened; answers of the job's own effects among it. */
  | { readonly type: "event"; readonly event: JobEvent }
  /** The effect under way has answered. `makeEvent` gets the number of failures in a row, 0 when they do not count. */
  | {
      readonly type: "effect_ended";
      readonly makeEvent: (failures: number) => JobEvent;
      readonly hasFailed: boolean;
      /** What that says about the destination. */
      readonly outcome: TryOutcome;
      /** Of the request, when somebody else ran the effect: an answer may outlive the life of the actor that asked. */
      readonly ticket: Ticket | null;
    }
  | TryGranted
  /** The job holds a run slot; means something only with the ticket of its newest request. */
  | { readonly type: "slot_granted"; readonly ticket: Ticket }
  /** The copy that was asked for has not begun, as the destination is degraded. */
  | { readonly type: "try_postponed" }
  /** The command may have been running for as long as it may. */
  | { readonly type: "runtime_due" }
  /** The wait after a failure is over. */
  | { readonly type: "retry_due" }
  /** End that wait now; answered with whether the job was waiting so. */
  | { readonly type: "retry_now"; readonly reply: (wasWaiting: boolean) => void }
  /** The destination's actors started anew and know nothing of this job. */
  | { readonly type: "destination_restarted" }
  /** End the job, which stays as `error`; answered when that is saved, or cannot be done. */
  | { readonly type: "cancel"; readonly by: string; readonly reply: (result: CancelResult) => void }
  /** Remove the job with all its files; answered when nothing is left, or when it cannot be done now. */
  | { readonly type: "delete"; readonly by: string; readonly reply: (result: DeleteResult) => void };

/** Tells one request from another; compared by identity. */
export interface Ticket {
  readonly id: JobId;
}

/** Whether the actor still handles messages. */
export interface Ping {
  readonly type: "ping";
  readonly reply: () => void;
}

/** To the actor that owns the run slots of a destination. */
export type DestinationMessage =
  /** Queue for a slot; answered by `slot_granted`. */
  | {
      readonly type: "request_slot";
      readonly id: JobId;
      readonly submitter: string;
      readonly job: ActorRef<JobMessage>;
      readonly ticket: Ticket;
    }
  /** The job is with the scheduler already, so it holds a slot. */
  | { readonly type: "hold_slot"; readonly id: JobId; readonly submitter: string; readonly job: ActorRef<JobMessage> }
  /** Give the slot back or leave the queue. */
  | { readonly type: "release_slot"; readonly id: JobId }
  /** A job's actor has ended, in whatever way. */
  | { readonly type: "job_ended"; readonly id: JobId }
  /** What the store says about a holder whose actor has ended; `mayHold` also when it does not answer. */
  | { readonly type: "orphan_examined"; readonly id: JobId; readonly mayHold: boolean }
  | { readonly type: "orphan_due"; readonly id: JobId }
  | { readonly type: "suspects_due" }
  /** Where jobs stand in the queue for a slot: 0 is next; the answer leaves out those that do not wait. */
  | {
      readonly type: "locate";
      readonly ids: readonly JobId[];
      readonly reply: (positions: ReadonlyMap<JobId, number>) => void;
    }
  /** An administrator changed what the destination may do. */
  | { readonly type: "mode_changed" }
  /** An administrator changed the place of a job in the queue. */
  | { readonly type: "order_changed"; readonly id: JobId }
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
  | { readonly type: "forget"; readonly schedulerJobId: SchedulerJobId; readonly job: ActorRef<JobMessage> }
  /** The scheduler pushed; what it said lies in the poller's own queue. */
  | { readonly type: "pushed" }
  | { readonly type: "tick" }
  | Ping
  | TryGranted
  /** `asked` are those who had the ids when the question was put. */
  | {
      readonly type: "answered";
      readonly statuses: ReadonlyMap<SchedulerJobId, SchedulerStatus>;
      readonly asked: ReadonlyMap<SchedulerJobId, ActorRef<JobMessage>>;
    }
  | { readonly type: "unanswered"; readonly error: unknown; readonly isProbe: boolean }
  | { readonly type: "forgotten" }
  | { readonly type: "describe"; readonly reply: (description: PollerDescription) => void };

export interface PollerDescription {
  /** How many jobs the scheduler is asked about. */
  readonly jobs: number;
  /** When it is asked next, in milliseconds since 1970. */
  readonly nextMs: number;
}

/** To the actor that moves files between the daemon and a destination. */
export type StagerMessage =
  /** Copy; answered by the event `staged_in`, `staged_out` or its failure, as an effect of the job. */
  | {
      readonly type: "transfer";
      readonly direction: "in" | "out";
      /** False: only wait for the end of a copy that is under way, or be told that there is none. */
      readonly mayBegin: boolean;
      readonly id: JobId;
      /** The newest one of the job. */
      readonly attempt: number;
      readonly job: ActorRef<JobMessage>;
      readonly ticket: Ticket;
    }
  /** Give back what has not begun, by `try_postponed`. */
  | { readonly type: "postpone" }
  | Ping
  | { readonly type: "describe"; readonly reply: (description: StagerDescription) => void }
  | ({ readonly type: "transfer_ended"; readonly id: JobId } & Pick<
      EffectEnded,
      "makeEvent" | "hasFailed" | "outcome"
    >);

/** How many copies are under way and wait. */
export interface StagerDescription {
  readonly running: number;
  readonly waiting: number;
}

type EffectEnded = Extract<JobMessage, { type: "effect_ended" }>;

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
