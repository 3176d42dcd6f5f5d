import { assertNever } from "../src/core/assert_never.ts";
import { type BackoffPolicy, backoffMs } from "../src/core/backoff.ts";
import { BartenderError, faultOf, messageOf, StoreUnavailableError } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import { holdsRunSlot, isFinished, type Job, placementOf } from "../src/core/job.ts";
import type { JobEffect, JobEvent } from "../src/core/job_event.ts";
import { transition } from "../src/core/job_transition.ts";
import type { DeleteResult } from "../src/ports/job_service.ts";
import { admit, cancel, close, find, type JobWorld, remove, submit } from "./job_effects.ts";
import type { ActorContext, ActorFactory, ActorRef, Behaviour } from "./kernel/actor.ts";
import type { Name } from "./kernel/registry.ts";
import { destinationName, type JobMessage, pollerName, stagerName } from "./messages.ts";

export interface JobActorOptions {
  readonly world: JobWorld;
  readonly backoff: BackoffPolicy;
  /** At least 0, below 1. */
  readonly random: () => number;
}

/** How soon an actor that could not be reached is asked again. */
const UNREACHABLE_RETRY_MS = 1_000;

/**
 * Owns one job: serialises what happens to it, saves every step and only then starts its effects. Each incarnation
 * continues from the store.
 *
 * @param known the job as just saved, which spares the first incarnation a read
 */
export function jobActor(id: JobId, known: Job | undefined, options: JobActorOptions): ActorFactory<JobMessage> {
  let first = known;
  return async (ctx) => {
    const job = first ?? (await options.world.store.get(id));
    first = undefined;
    if (job === undefined || isFinished(job)) {
      // A finished job is only started to be deleted; a missing one was removed a moment before.
      if (job === undefined) ctx.stop();
    } else {
      ctx.self.send({ type: "event", event: { type: "resumed" } });
    }
    return new JobBehaviour(ctx, id, job, options);
  };
}

class JobBehaviour implements Behaviour<JobMessage> {
  readonly #ctx: ActorContext<JobMessage>;
  readonly #id: JobId;
  readonly #options: JobActorOptions;
  readonly #world: JobWorld;
  #job: Job | undefined;
  /** How often the effect of this phase has failed in a row. */
  #failures = 0;
  /** True while an effect is under way that will answer by `effect_ended`. */
  #isBusy = false;
  #isRetryPending = false;
  readonly #deleteReplies: ((result: DeleteResult) => void)[] = [];

  constructor(ctx: ActorContext<JobMessage>, id: JobId, job: Job | undefined, options: JobActorOptions) {
    this.#ctx = ctx;
    this.#id = id;
    this.#job = job;
    this.#options = options;
    this.#world = options.world;
  }

  receive(message: JobMessage): void | Promise<void> {
    switch (message.type) {
      case "event":
        return this.#handle(message.event);
      case "effect_ended":
        this.#isBusy = false;
        this.#failures = message.hasFailed ? this.#failures + 1 : 0;
        return this.#handle(message.makeEvent(this.#failures));
      case "retry_due":
        return this.#resume();
      case "destination_restarted":
        this.#holdSlot();
        // What the destination's actors were doing for this job is lost; the job's own effects go on.
        return this.#isBusy && !this.#isStaging() ? undefined : this.#resume();
      case "delete":
        return this.#delete(message.by, message.reply);
      default:
        return assertNever(message);
    }
  }

  async #handle(event: JobEvent): Promise<void> {
    const before = this.#job;
    if (before === undefined) return;
    if (event.type === "resumed") this.#holdSlot();
    const step = transition(before, event, this.#ctx.clock.nowMs());
    if (step.isGone) return this.#end();
    if (step.job !== before) {
      this.#job = await this.#save(step.job);
      if (step.job.progress.phase !== before.progress.phase) {
        this.#failures = 0;
        this.#cancelRetry();
      }
    }
    for (const effect of step.effects) this.#start(effect);
    if (isFinished(step.job) && step.job !== before) this.#ctx.stop();
  }

  #resume(): Promise<void> {
    this.#cancelRetry();
    return this.#handle({ type: "resumed" });
  }

  async #delete(by: string, reply: (result: DeleteResult) => void): Promise<void> {
    if (this.#job === undefined) return reply("not_found");
    // A copy under way is left to its end; one that waits for another try is not moving anything.
    if (this.#isStaging() && !this.#isRetryPending) return reply("in_transit");
    this.#deleteReplies.push(reply);
    await this.#handle({
      type: "cancel_requested",
      cancellation: { reason: `Deleted by ${by}`, isDelete: true },
    });
  }

  #end(): void {
    this.#job = undefined;
    for (const reply of this.#deleteReplies.splice(0)) reply("deleted");
    this.#ctx.stop();
  }

  /** A store that is away for a while must not cost the step: nothing else can happen to this job meanwhile anyway. */
  async #save(job: Job): Promise<Job> {
    for (let failures = 1; ; failures++) {
      try {
        return await this.#world.store.save(job, this.#ctx.clock.nowMs());
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        this.#ctx.logger.warn("The store is away; the step is saved later", { reason: messageOf(error), failures });
        await new Promise<void>((resolve) => {
          this.#ctx.clock.after(backoffMs(this.#options.backoff, failures, this.#options.random()), resolve);
        });
      }
    }
  }

  #start(effect: JobEffect): void {
    const world = this.#world;
    const job = this.#job;
    if (job === undefined) return;
    switch (effect.type) {
      case "admit":
        return this.#run(
          () => admit(world, job, effect.upload),
          (placement) => ({ type: "destination_picked", ...placement }),
          (fault, failures) => ({ type: "admission_failed", fault, failures }),
        );
      case "stage_in":
      case "stage_out":
        this.#isBusy = true;
        return this.#tell(stagerName(effect.placement.destination), {
          type: "transfer",
          direction: effect.type === "stage_in" ? "in" : "out",
          id: this.#id,
          job: this.#ctx.self,
        });
      case "request_run_slot":
        return this.#tell(destinationName(effect.placement.destination), {
          type: "request_slot",
          id: this.#id,
          submitter: job.submitter,
          job: this.#ctx.self,
        });
      case "release_run_slot":
        return this.#tell(destinationName(effect.placement.destination), { type: "release_slot", id: this.#id });
      case "submit":
        return this.#run(
          (signal) => submit(world, job, effect.placement, effect.attempt, signal),
          (submitted) => ({ type: "submitted", ...submitted }),
          (fault, failures) => ({ type: "submit_failed", fault, failures }),
        );
      case "find":
        return this.#run(
          (signal) => find(world, job, effect.placement, effect.attempt, signal),
          (schedulerJobId) => ({ type: "attempt_found", schedulerJobId }),
          (fault, failures) => ({ type: "find_failed", fault, failures }),
        );
      case "watch":
        return this.#tell(pollerName(effect.placement.destination), {
          type: "watch",
          schedulerJobId: effect.schedulerJobId,
          job: this.#ctx.self,
        });
      case "cancel":
        return this.#run(
          (signal) => cancel(world, effect.placement, effect.schedulerJobId, signal),
          () => ({ type: "cancelled" }),
          (fault, failures) => ({ type: "cancel_failed", fault, failures }),
        );
      case "close":
        return this.#run(
          (signal) => close(world, job, effect.placement, effect.reason, signal),
          () => ({ type: "closed" }),
          (fault, failures) => ({ type: "close_failed", fault, failures }),
        );
      case "forget":
        return this.#tell(pollerName(effect.placement.destination), {
          type: "forget",
          schedulerJobId: effect.schedulerJobId,
        });
      case "remove":
        return this.#run(
          (signal) => remove(world, job, effect.placement, signal),
          () => ({ type: "removed" }),
          (fault, failures) => ({ type: "remove_failed", fault, failures }),
        );
      case "retry_later": {
        const delayMs = backoffMs(this.#options.backoff, effect.failures, this.#options.random());
        this.#isRetryPending = true;
        this.#ctx.startTimer("retry", delayMs, { type: "retry_due" });
        return;
      }
      case "retry_now":
        if (this.#isRetryPending) this.#ctx.startTimer("retry", 0, { type: "retry_due" });
        return;
      default:
        return assertNever(effect);
    }
  }

  /** Runs an effect beside the mailbox; its answer, good or bad, comes back as an event. */
  #run<T>(
    effect: (signal: AbortSignal) => Promise<T>,
    onDone: (value: T) => JobEvent,
    onFailed: (fault: ReturnType<typeof faultOf>, failures: number) => JobEvent,
  ): void {
    this.#isBusy = true;
    this.#ctx.run(
      effect,
      (value) => ({ type: "effect_ended", hasFailed: false, makeEvent: () => onDone(value) }),
      (error) => {
        const fault = faultOf(error);
        const fields = { phase: this.#job?.progress.phase, reason: fault.message, retryable: fault.retryable };
        // An error of ours explains itself; anything else is a defect and needs its stack.
        if (error instanceof BartenderError) this.#ctx.logger.warn("An effect of the job failed", fields);
        else this.#ctx.logger.error("An effect of the job failed unexpectedly", { ...fields, error });
        return { type: "effect_ended", hasFailed: true, makeEvent: (failures) => onFailed(fault, failures) };
      },
    );
  }

  /** Tells one of the destination's actors; one that cannot be reached is told again with the next resumption. */
  #tell<M>(name: Name<ActorRef<M>>, message: M): void {
    const ref = this.#ctx.find(name);
    if (ref?.send(message) === "delivered") return;
    if (ref === undefined) this.#ctx.logger.warn("The job's destination is not configured; the job waits", { name });
    else this.#ctx.startTimer("unreachable", UNREACHABLE_RETRY_MS, { type: "destination_restarted" });
  }

  #holdSlot(): void {
    const job = this.#job;
    const placement = job === undefined ? null : placementOf(job.progress);
    if (job === undefined || placement === null || !holdsRunSlot(job.progress)) return;
    this.#tell(destinationName(placement.destination), {
      type: "hold_slot",
      id: this.#id,
      submitter: job.submitter,
      job: this.#ctx.self,
    });
  }

  #isStaging(): boolean {
    const phase = this.#job?.progress.phase;
    return phase === "staging_in" || phase === "staging_out";
  }

  #cancelRetry(): void {
    if (!this.#isRetryPending) return;
    this.#isRetryPending = false;
    this.#ctx.cancelTimer("retry");
  }
}
