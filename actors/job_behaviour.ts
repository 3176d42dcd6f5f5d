import { assertNever } from "../src/core/assert_never.ts";
import { type BackoffPolicy, backoffMs } from "../src/core/backoff.ts";
import { faultOf } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import { isFinished, type Job, placementOf } from "../src/core/job.ts";
import { cancellability, cancelledBy } from "../src/core/job_end.ts";
import type { JobEffect, JobEvent } from "../src/core/job_event.ts";
import type { PendingRetry } from "../src/core/job_reason.ts";
import { transition } from "../src/core/job_transition.ts";
import type { CancelResult, DeleteResult } from "../src/ports/job_service.ts";
import type { Destination } from "./destination.ts";
import { type CalledEffect, callFor } from "./effect_calls.ts";
import type { TryGranted } from "./health_messages.ts";
import { JobCalls } from "./job_calls.ts";
import type { JobWorld } from "./job_effects.ts";
import { JobLog } from "./job_log.ts";
import { JobTries, targetOf, tryOutcomeOf } from "./job_tries.ts";
import type { JobWatchers } from "./job_watchers.ts";
import type { ActorContext, Behaviour } from "./kernel/actor.ts";
import type { JobMessage, Ticket } from "./messages.ts";
import { type Patience, patiently } from "./patience.ts";
import { RuntimeLimit } from "./runtime_limit.ts";

export interface JobActorOptions {
  readonly world: JobWorld;
  /** For what has nothing to do with a destination. */
  readonly backoff: BackoffPolicy;
  /** At least 0, below 1. */
  readonly random: () => number;
  readonly watchers: JobWatchers;
  /** Told of each saved step, and with undefined when the row is gone; must not throw. */
  readonly onStep?: (id: JobId, job: Job | undefined) => void;
  /** Where the actor notes what it is going to try again, for those who ask about the job. */
  readonly retries: Map<JobId, PendingRetry>;
}

/** Effects that take their time; there is never more than one of a job. */
type SlowEffect = CalledEffect | Extract<JobEffect, { type: "stage_in" | "stage_out" }>;

/** How long the job waits for a store that is away: as long as it takes. */
export function patienceOf(ctx: ActorContext<JobMessage>, { backoff, random }: JobActorOptions): Patience {
  return { clock: ctx.clock, logger: ctx.logger, backoff, random };
}

/** One incarnation of a job's actor. */
export class JobBehaviour implements Behaviour<JobMessage> {
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
  /** Of the newest transfer that the stager was asked for. */
  #ticket: Ticket | undefined;
  /**
   * Of the newest request for a run slot. A grant of an earlier one may lie in the mailbox although the slots started
   * anew since, and were given to others once this job asked again.
   */
  #slotTicket: Ticket | undefined;
  /** How often in a row the submission was looked for in vain. */
  #absences = 0;
  #latestMs = 0;
  readonly #log: JobLog;
  readonly #calls: JobCalls;
  readonly #tries: JobTries;
  readonly #runtime: RuntimeLimit;
  readonly #deleteReplies: ((result: DeleteResult) => void)[] = [];

  constructor(ctx: ActorContext<JobMessage>, id: JobId, job: Job | undefined, options: JobActorOptions) {
    this.#ctx = ctx;
    this.#id = id;
    this.#job = job;
    this.#options = options;
    this.#world = options.world;
    this.#log = new JobLog(ctx.logger);
    this.#calls = new JobCalls(ctx);
    this.#tries = new JobTries(ctx, ctx.self);
    this.#runtime = new RuntimeLimit(ctx, options.world);
  }

  receive(message: JobMessage): void | Promise<void> {
    switch (message.type) {
      case "event":
        return this.#handle(message.event);
      case "effect_ended":
        return this.#onEffectEnded(message);
      case "try_granted":
        return this.#onTryGranted(message);
      case "slot_granted":
        return message.ticket === this.#slotTicket ? this.#handle({ type: "run_slot_granted" }) : undefined;
      case "try_postponed":
        this.#isBusy = false;
        this.#tries.end({ type: "unused" });
        return this.#resume();
      case "retry_due":
        return this.#resume();
      case "retry_now":
        message.reply(this.#isRetryPending);
        return this.#isRetryPending ? this.#resume() : undefined;
      case "runtime_due":
        return this.#onRuntimeDue();
      case "destination_restarted":
        this.#calls.holdSlot(this.#job);
        if (!this.#isBusy) return this.#resume();
        // The job's own effects go on. A copy is lost, unless it was asked for since: then one more word changes nothing.
        return this.#askForCopy();
      case "cancel":
        return this.#cancel(message.by, message.reply);
      case "delete":
        return this.#delete(message.by, message.reply);
      default:
        return assertNever(message);
    }
  }

  async #handle(event: JobEvent): Promise<void> {
    const before = this.#job;
    if (before === undefined) return;
    if (event.type === "resumed") this.#calls.holdSlot(this.#job);
    const asOf = { nowMs: this.#nowMs(before), monotonicMs: this.#ctx.clock.monotonicMs() };
    const step = transition(before, event, asOf.nowMs, this.#destination()?.rules);
    if (step.isGone) return this.#end();
    if (step.job !== before) {
      this.#job = await this.#save(step.job);
      this.#options.watchers.wake(this.#id);
      this.#options.onStep?.(this.#id, this.#job);
      if (step.job.progress.phase !== before.progress.phase) {
        this.#failures = 0;
        this.#options.retries.delete(this.#id);
        this.#tries.drop();
        this.#cancelRetry();
        this.#log.step(step.job);
      }
      if (step.job.attempt > before.attempt && before.attempt > 0) this.#log.rerun(step.job);
    }
    if (step.job.progress.phase !== before.progress.phase || event.type === "resumed")
      this.#runtime.arm(step.job, asOf);
    for (const effect of step.effects) this.#start(effect);
    if (isFinished(step.job) && step.job !== before) this.#ctx.stop();
  }

  onStop(): void {
    this.#options.retries.delete(this.#id);
  }

  #resume(): Promise<void> {
    this.#tries.drop();
    this.#cancelRetry();
    return this.#handle({ type: "resumed" });
  }

  async #cancel(by: string, reply: (result: CancelResult) => void): Promise<void> {
    const job = this.#job;
    if (job === undefined || job.progress.phase === "deleting") return reply({ type: "not_found" });
    const verdict = cancellability(job);
    if (verdict === "possible") {
      const cancellation = { reason: cancelledBy(by), isDelete: false };
      await this.#handle({ type: "cancel_requested", cancellation });
      return reply({ type: "cancelling", job: this.#job ?? job });
    }
    reply({ type: verdict });
    // Started only for this question, which came after the end.
    if (verdict === "finished") this.#ctx.stop();
  }

  async #delete(by: string, reply: (result: DeleteResult) => void): Promise<void> {
    if (this.#job === undefined) return reply("not_found");
    // A copy under way is left to its end; one that waits for another try is not moving anything.
    if (this.#isStaging() && this.#isBusy) return reply("in_transit");
    this.#deleteReplies.push(reply);
    await this.#handle({
      type: "cancel_requested",
      cancellation: { reason: `Deleted by ${by}`, isDelete: true },
    });
  }

  #onRuntimeDue(): void | Promise<void> {
    const cancellation = this.#job === undefined ? undefined : this.#runtime.onDue(this.#job);
    if (cancellation !== undefined) return this.#handle({ type: "runtime_exceeded", cancellation });
  }

  #end(): void {
    this.#job = undefined;
    this.#options.watchers.wake(this.#id);
    this.#options.onStep?.(this.#id, undefined);
    for (const reply of this.#deleteReplies.splice(0)) reply("deleted");
    this.#ctx.stop();
  }

  /** The time for what happens to the job now: never before what happened earlier, even if the clock was set back. */
  #nowMs({ createdOnMs, updatedOnMs, submittedOnMs, startedOnMs }: Job): number {
    const nowMs = this.#ctx.clock.nowMs();
    this.#latestMs = Math.max(this.#latestMs, nowMs, createdOnMs, updatedOnMs, submittedOnMs ?? 0, startedOnMs ?? 0);
    return this.#latestMs;
  }

  /** A store that is away for a while must not cost the step: nothing else can happen to this job meanwhile anyway. */
  #save(job: Job): Promise<Job> {
    return patiently(patienceOf(this.#ctx, this.#options), () => this.#world.store.save(job, this.#nowMs(job)));
  }

  #start(effect: JobEffect): void {
    const job = this.#job;
    if (job === undefined) return;
    switch (effect.type) {
      case "admit":
      case "submit":
      case "find":
      case "look":
      case "cancel":
      case "close":
      case "remove":
      case "stage_in":
      case "stage_out":
        return this.#tryTo(effect);
      case "await_copy":
        return this.#askForCopy();
      case "request_run_slot":
        this.#slotTicket = { id: this.#id };
        return this.#calls.requestSlot(job, effect.placement.destination, this.#slotTicket);
      case "release_run_slot":
        return this.#calls.releaseSlot(job, effect.placement.destination);
      case "watch":
      case "forget":
        return this.#calls.watch(effect);
      case "retry_later": {
        const { backoff } = this.#destination() ?? this.#options;
        // A fault of a degraded destination is none of this job's: it goes back to those who wait for their turn.
        if (effect.failures === 0) return this.#retryAfter(0);
        const delayMs = backoffMs(backoff, effect.failures, this.#options.random());
        const dueMs = this.#ctx.clock.nowMs() + delayMs;
        this.#options.retries.set(this.#id, { reason: effect.fault.message, dueMs });
        return this.#retryAfter(delayMs);
      }
      case "retry_now":
        return this.#isBusy ? undefined : this.#retryAfter(0);
      default:
        return assertNever(effect);
    }
  }

  /** Begins an effect, as soon as the health of its destination allows it. */
  #tryTo(effect: SlowEffect): void {
    const target = targetOf(effect);
    // What is not in the configuration has no health; the effect itself tells what follows.
    if (target === undefined || !this.#world.destinations.has(target.destination)) return this.#begin(effect);
    if (!this.#tries.request(effect, target)) this.#calls.askAgainSoon();
  }

  #onTryGranted(message: TryGranted): void {
    const effect = this.#tries.grant(message, this.#destination()?.name);
    if (effect === undefined) return;
    this.#cancelRetry();
    this.#begin(effect as SlowEffect);
  }

  #begin(effect: SlowEffect): void {
    const job = this.#job;
    if (job === undefined) return;
    if (effect.type === "stage_in" || effect.type === "stage_out") return this.#askForCopy();
    this.#isBusy = true;
    const { run, onFailed } = callFor(effect, job, this.#world, patienceOf(this.#ctx, this.#options));
    this.#ctx.run(
      run,
      (event) => ({
        type: "effect_ended",
        makeEvent: () => this.#counted(event),
        outcome: { type: "answered" },
        hasFailed: false,
        ticket: null,
      }),
      (error) => {
        const fault = faultOf(error);
        const makeEvent = (failures: number): JobEvent => onFailed(fault, failures);
        this.#log.fault(this.#job, effect.type, error, this.#tries.isProbing);
        return { type: "effect_ended", makeEvent, outcome: tryOutcomeOf(error), hasFailed: true, ticket: null };
      },
    );
  }

  /** Asks the stager to copy, or when the job is to be ended, to tell when nothing of it is being copied. */
  #askForCopy(): void {
    const job = this.#job;
    const progress = job?.progress;
    if (job === undefined || (progress?.phase !== "staging_in" && progress?.phase !== "staging_out")) return;
    const { destination, phase } = progress;
    const mayBegin = progress.cancellation === null;
    if (!mayBegin && !this.#world.destinations.has(destination)) {
      const type = phase === "staging_in" ? "stage_in_failed" : "stage_out_failed";
      const fault = { message: "The destination is not configured", retryable: true };
      this.#ctx.self.send({ type: "event", event: { type, fault, failures: 0 } });
      return;
    }
    this.#ticket = { id: this.#id };
    // Without its destination a job waits in this phase, and nothing is moved.
    this.#isBusy = this.#calls.copy(job, destination, phase === "staging_in" ? "in" : "out", mayBegin, this.#ticket);
  }

  async #onEffectEnded(answer: Extract<JobMessage, { type: "effect_ended" }>): Promise<void> {
    const { makeEvent, outcome, hasFailed, ticket } = answer;
    // What an earlier life or an earlier try asked for; it was asked for anew, and only that answer counts.
    if (ticket !== null && ticket !== this.#ticket) return;
    this.#isBusy = false;
    const counts = !(hasFailed && this.#tries.isProbing && outcome.type === "unanswered");
    this.#tries.end(outcome);
    if (counts) this.#failures = hasFailed ? this.#failures + 1 : 0;
    if (!hasFailed) this.#options.retries.delete(this.#id);
    return this.#handle(makeEvent(counts ? this.#failures : 0));
  }

  #counted(event: JobEvent): JobEvent {
    if (event.type !== "attempt_found") return event;
    this.#absences = event.schedulerJobId === null ? this.#absences + 1 : 0;
    return { ...event, absences: this.#absences };
  }

  #retryAfter(delayMs: number): void {
    this.#isRetryPending = true;
    this.#ctx.startTimer("retry", delayMs, { type: "retry_due" });
  }

  /** Undefined before one is picked, and while the configuration has no such destination. */
  #destination(): Destination | undefined {
    const placement = this.#job === undefined ? null : placementOf(this.#job.progress);
    return placement === null ? undefined : this.#world.destinations.get(placement.destination);
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
