import type { AttemptTag, SchedulerJobId } from "../../src/core/ids.ts";
import type { SchedulerStatus } from "../../src/core/job.ts";
import type { OwnAttempt, Renewal } from "../../src/ports/attempt_queue.ts";
import type { ActorRef } from "../kernel/actor.ts";
import type { DynamicChildren } from "../kernel/child_spec.ts";
import { type Name, nameOf } from "../kernel/registry.ts";

/** To the actor that has the lease of a performer and takes its jobs. */
export type PerformerMessage =
  /** What an earlier life left has been looked at. */
  | { readonly type: "resumed"; readonly attempts: readonly OwnAttempt[] }
  | { readonly type: "not_resumed"; readonly error: unknown }
  | { readonly type: "resume_due" }
  | { readonly type: "renewal_due" }
  /** The link was lost and is there again. */
  | { readonly type: "connected" }
  | { readonly type: "renewed"; readonly renewal: Renewal; readonly askedAtMs: number }
  | { readonly type: "not_renewed"; readonly error: unknown }
  /** Attempts that are ours and of which we had not heard. */
  | { readonly type: "claimed"; readonly attempts: readonly OwnAttempt[] }
  /** The lease will be over soon. */
  | { readonly type: "lease_ends" }
  | { readonly type: "take_due" }
  | { readonly type: "taken"; readonly attempt: OwnAttempt | undefined }
  | { readonly type: "not_taken"; readonly error: unknown }
  | { readonly type: "cancellation"; readonly tag: AttemptTag }
  | { readonly type: "attempt_over"; readonly tag: AttemptTag }
  /** Take no more jobs. `drained` is called when none is left. */
  | { readonly type: "drain"; readonly drained: () => void }
  /** End all commands now, for `reason`. */
  | { readonly type: "end_all"; readonly reason: string }
  | { readonly type: "left" };

/** To the actor of one attempt. */
export type AttemptMessage =
  /** The files are here. */
  | { readonly type: "prepared"; readonly directory: string }
  | { readonly type: "not_prepared"; readonly error: unknown }
  | { readonly type: "started"; readonly id: SchedulerJobId; readonly status: SchedulerStatus | undefined }
  | { readonly type: "not_started"; readonly error: unknown; readonly directory: string }
  | { readonly type: "retry_due" }
  | { readonly type: "start_news_due" }
  | { readonly type: "status"; readonly status: SchedulerStatus }
  /** Somebody wants it ended; how it ends is told. */
  | { readonly type: "cancel" }
  /** It has to end through no fault of its own. */
  | { readonly type: "interrupt"; readonly reason: string }
  /** It is no longer ours: end it, nobody wants to hear of it. */
  | { readonly type: "lost" }
  /** Nothing of it lives any more. */
  | { readonly type: "dead" }
  | { readonly type: "not_dead"; readonly error: unknown }
  /** What the command has left is where the daemon will look for it. */
  | { readonly type: "delivered" }
  | { readonly type: "not_delivered"; readonly error: unknown }
  /** After a cancellation nobody waits any longer for what the command has left. */
  | { readonly type: "delivery_over" }
  | { readonly type: "reported" }
  | { readonly type: "not_reported"; readonly error: unknown }
  | { readonly type: "start_told" };

export function performerName(destination: string): Name<ActorRef<PerformerMessage>> {
  return nameOf(`performer:${destination}`);
}

export function attemptsName(destination: string): Name<DynamicChildren> {
  return nameOf(`attempts:${destination}`);
}
