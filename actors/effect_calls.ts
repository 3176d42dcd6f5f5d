import { assertNever } from "../src/core/assert_never.ts";
import { type Fault, faultOf } from "../src/core/errors.ts";
import type { Job } from "../src/core/job.ts";
import type { JobEffect, JobEvent } from "../src/core/job_event.ts";
import {
  admit,
  cancel,
  close,
  DestinationDrainingError,
  find,
  type JobWorld,
  look,
  remove,
  submit,
} from "./job_effects.ts";
import type { Patience } from "./patience.ts";

/** Effects that the job's actor runs itself, beside its mailbox. */
export type CalledEffect = Extract<
  JobEffect,
  { type: "admit" | "submit" | "find" | "look" | "cancel" | "close" | "remove" }
>;

/** What is to be called for an effect, and the events that answer it. */
export interface EffectCall {
  run(signal: AbortSignal): Promise<JobEvent>;
  /** @param failures how often in a row it has failed, from 1; 0 when it does not count */
  onFailed(fault: Fault, failures: number): JobEvent;
}

export function callFor(effect: CalledEffect, job: Job, world: JobWorld, patience: Patience): EffectCall {
  switch (effect.type) {
    case "admit":
      return {
        async run() {
          try {
            return { type: "destination_picked", ...(await admit(world, job, effect.upload)) };
          } catch (error) {
            // Not a failure of the job: it waits for as long as it takes.
            if (!(error instanceof DestinationDrainingError)) throw error;
            return { type: "admission_deferred", fault: faultOf(error) };
          }
        },
        onFailed: (fault, failures) => ({ type: "admission_failed", fault, failures }),
      };
    case "submit":
      return {
        run: async (signal) => ({
          type: "submitted",
          ...(await submit(world, job, effect.placement, effect.attempt, signal)),
        }),
        onFailed: (fault, failures) => ({ type: "submit_failed", fault, failures }),
      };
    case "find":
      return {
        run: async (signal) => ({
          type: "attempt_found",
          schedulerJobId: await find(world, job, effect.placement, effect.attempt, signal),
          absences: 0,
        }),
        onFailed: (fault, failures) => ({ type: "find_failed", fault, failures }),
      };
    case "look":
      return {
        async run(signal) {
          const { placement, schedulerJobId, cancellation } = effect;
          const status = await look(world, placement, schedulerJobId, signal);
          return status?.type === "ended"
            ? { type: "status_observed", schedulerJobId, status }
            : { type: "cancel_requested", cancellation };
        },
        onFailed: (fault, failures) => ({
          type: "look_failed",
          fault,
          failures,
          cancellation: effect.cancellation,
        }),
      };
    case "cancel":
      return {
        async run(signal) {
          await cancel(world, effect.placement, effect.schedulerJobId, signal);
          return { type: "cancelled" };
        },
        onFailed: (fault, failures) => ({ type: "cancel_failed", fault, failures }),
      };
    case "close":
      return {
        async run(signal) {
          await close(world, job, effect.placement, effect.reason, signal);
          return { type: "closed" };
        },
        onFailed: (fault, failures) => ({ type: "close_failed", fault, failures }),
      };
    case "remove":
      return {
        async run(signal) {
          await remove(world, job, effect.placement, patience, signal);
          return { type: "removed" };
        },
        onFailed: (fault, failures) => ({ type: "remove_failed", fault, failures }),
      };
    default:
      return assertNever(effect);
  }
}
