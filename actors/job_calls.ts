import { holdsRunSlot, type Job, placementOf } from "../src/core/job.ts";
import type { JobEffect } from "../src/core/job_event.ts";
import type { ActorContext, ActorRef } from "./kernel/actor.ts";
import type { Name } from "./kernel/registry.ts";
import { destinationName, type JobMessage, pollerName, stagerName, type Ticket } from "./messages.ts";

/** How soon an actor that could not be reached is asked again. */
const UNREACHABLE_RETRY_MS = 1_000;

/** What a job tells the actors of its destination; one that cannot be reached is told again with the next resumption. */
export class JobCalls {
  readonly #ctx: ActorContext<JobMessage>;

  constructor(ctx: ActorContext<JobMessage>) {
    this.#ctx = ctx;
  }

  /** @param ticket comes back with the slot, unless it was asked for again since */
  requestSlot({ id, submitter }: Job, destination: string, ticket: Ticket): void {
    this.#tell(destinationName(destination), { type: "request_slot", id, submitter, job: this.#ctx.self, ticket });
  }

  releaseSlot({ id }: Job, destination: string): void {
    this.#tell(destinationName(destination), { type: "release_slot", id });
  }

  /** Says again that the job has its slot, when it has one. */
  holdSlot(job: Job | undefined): void {
    const placement = job === undefined ? null : placementOf(job.progress);
    if (job === undefined || placement === null || !holdsRunSlot(job.progress)) return;
    const { id, submitter } = job;
    this.#tell(destinationName(placement.destination), { type: "hold_slot", id, submitter, job: this.#ctx.self });
  }

  /** Has the scheduler's news about the job told, or not any more. */
  watch({ type, placement, schedulerJobId }: Extract<JobEffect, { type: "watch" | "forget" }>): void {
    const job = this.#ctx.self;
    this.#tell(
      pollerName(placement.destination),
      type === "watch" ? { type: "watch", schedulerJobId, job } : { type: "forget", schedulerJobId, job },
    );
  }

  /**
   * Asks for a copy of the files.
   *
   * @param mayBegin false: only to be told when nothing of the job is being copied
   * @returns whether the stager was reached
   */
  copy({ id, attempt }: Job, destination: string, direction: "in" | "out", mayBegin: boolean, ticket: Ticket): boolean {
    const job = this.#ctx.self;
    return this.#tell(stagerName(destination), { type: "transfer", direction, mayBegin, id, attempt, job, ticket });
  }

  askAgainSoon(): void {
    this.#ctx.startTimer("unreachable", UNREACHABLE_RETRY_MS, { type: "destination_restarted" });
  }

  /** @returns whether it was reached */
  #tell<M>(name: Name<ActorRef<M>>, message: M): boolean {
    const ref = this.#ctx.find(name);
    if (ref?.send(message) === "delivered") return true;
    if (ref === undefined) this.#ctx.logger.warn("The job's destination is not configured; the job waits", { name });
    else this.askAgainSoon();
    return false;
  }
}
