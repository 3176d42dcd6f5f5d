import { assertNever } from "../src/core/assert_never.ts";
import type { DestinationPart } from "../src/core/destination_health.ts";
import { SchedulerUnavailableError, TransferError } from "../src/core/errors.ts";
import type { Placement } from "../src/core/job.ts";
import type { JobEffect } from "../src/core/job_event.ts";
import { type Applicant, healthName, type TryGranted, type TryOutcome } from "./health_messages.ts";
import type { ActorContext } from "./kernel/actor.ts";

/** The part of a destination without which an effect cannot succeed. */
export interface Target {
  readonly destination: string;
  readonly part: DestinationPart;
}

/** @returns undefined for an effect that needs no destination, or only an actor of ours. */
export function targetOf(effect: JobEffect): Target | undefined {
  switch (effect.type) {
    case "submit":
    case "find":
    case "cancel":
    case "look":
      return { destination: effect.placement.destination, part: "scheduler" };
    case "stage_in":
    case "stage_out":
      return filesAt(effect.placement);
    case "close":
    case "remove":
      return filesAt(effect.placement);
    case "admit":
    case "await_copy":
    case "request_run_slot":
    case "release_run_slot":
    case "watch":
    case "forget":
    case "retry_later":
    case "retry_now":
      return undefined;
    default:
      return assertNever(effect);
  }
}

function filesAt(placement: Placement | null): Target | undefined {
  return placement?.isStaged === true ? { destination: placement.destination, part: "file_system" } : undefined;
}

/** What a fault of an effect says about the part of the destination that it went to. */
export function tryOutcomeOf(error: unknown): TryOutcome {
  if (error instanceof SchedulerUnavailableError || (error instanceof TransferError && error.retryable)) {
    return { type: "unanswered", reason: error.message };
  }
  // Faults of the store or of our own disk say nothing about the destination.
  return { type: "unused" };
}

/** Asks the health of a job's destination before each effect that goes there, and tells it what came of it. */
export class JobTries {
  readonly #ctx: ActorContext<never>;
  readonly #self: Applicant;
  /** Waits for its turn. */
  #parked: { readonly effect: JobEffect; readonly target: Target } | undefined;
  #granted: { readonly target: Target; readonly isProbe: boolean } | undefined;

  constructor(ctx: ActorContext<never>, self: Applicant) {
    this.#ctx = ctx;
    this.#self = self;
  }

  /** True for the effect under way when the destination is not known to be healthy: a fault is none of the job's. */
  get isProbing(): boolean {
    return this.#granted?.isProbe === true;
  }

  /** Asks for a try; `effect` is what {@link grant} gives back. @returns false when nobody could be asked */
  request(effect: JobEffect, target: Target): boolean {
    const health = this.#ctx.find(healthName(target.destination));
    const sent = health?.send({ type: "request_try", part: target.part, by: this.#self, isQuestion: false });
    if (sent !== "delivered") return false;
    this.#parked = { effect, target };
    return true;
  }

  /** Forgets the effect that waits; a grant that comes later is given back. */
  drop(): void {
    this.#parked = undefined;
  }

  /** @returns the effect to start now, if it is still wanted */
  grant({ part, isProbe }: TryGranted, destination: string | undefined): JobEffect | undefined {
    const parked = this.#parked;
    if (parked?.target.part !== part) {
      if (destination !== undefined) this.#tell({ destination, part }, { type: "unused" });
      return undefined;
    }
    this.#parked = undefined;
    this.#granted = { target: parked.target, isProbe };
    return parked.effect;
  }

  /** The effect has ended; nothing to do for one that needed no try. */
  end(outcome: TryOutcome): void {
    if (this.#granted !== undefined) this.#tell(this.#granted.target, outcome);
    this.#granted = undefined;
  }

  #tell({ destination, part }: Target, outcome: TryOutcome): void {
    this.#ctx.find(healthName(destination))?.send({ type: "try_ended", part, by: this.#self, outcome });
  }
}
