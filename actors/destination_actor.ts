import { assertNever } from "../src/core/assert_never.ts";
import type { JobId } from "../src/core/ids.ts";
import { holdsRunSlot, type Job, placementOf } from "../src/core/job.ts";
import { type QueueOrder, SlotLedger } from "../src/core/slot_ledger.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import type { DestinationModes } from "./destination_modes.ts";
import type { ActorFactory, ActorRef } from "./kernel/actor.ts";
import { type DestinationMessage, type JobMessage, jobName, type Ticket } from "./messages.ts";
import { unfinishedJobsPatiently } from "./unfinished_jobs.ts";

/** How soon it is looked again after a job of which no living actor is known. */
const ORPHAN_MS = 15_000;

const USUAL_ORDER: QueueOrder = { isHeld: false, priority: 0 };

/**
 * Owns the run slots of one destination. Before it grants anything it reads from the store who holds one, so that a
 * restart never oversteps the limit. The slot of a job whose actor crashed stays taken, as its command may well live,
 * until the store says that the job is past it, or the actor's next life says what it needs.
 *
 * @param modes while an administrator has not left the destination open, nobody is granted a slot
 * @param orders what administrators have decided about the places of jobs in the queue
 */
export function destinationActor(
  name: string,
  capacity: number,
  store: Pick<JobStore, "unfinished" | "get">,
  { modes, orders }: { readonly modes: Pick<DestinationModes, "of">; readonly orders: ReadonlyMap<JobId, QueueOrder> },
): ActorFactory<DestinationMessage> {
  return async (ctx) => {
    const ledger = new SlotLedger(capacity);
    const jobs = new Map<JobId, ActorRef<JobMessage>>();
    /** Of the newest requests of those that wait, or were granted a slot and have not said that they use it. */
    const tickets = new Map<JobId, Ticket>();
    /** Holders of which no living actor is known. */
    const orphans = new Set<JobId>();
    /** Jobs that may be about to use a slot that the last life of this actor granted; nobody gets one before they spoke. */
    const suspects = new Set<JobId>();

    const grant = (): void => {
      if (suspects.size > 0 || modes.of(name) !== "open") return;
      for (const id of ledger.grant()) tell(id);
    };
    const tell = (id: JobId): void => {
      const ticket = tickets.get(id);
      if (ticket !== undefined) jobs.get(id)?.send({ type: "slot_granted", ticket });
    };
    const adopt = (id: JobId): void => {
      orphans.add(id);
      ctx.startTimer(`orphan ${id}`, ORPHAN_MS, { type: "orphan_due", id });
    };
    const join = (id: JobId, job: ActorRef<JobMessage>): void => {
      orphans.delete(id);
      suspects.delete(id);
      if (jobs.get(id) === job) return;
      jobs.set(id, job);
      ctx.watch(job, () => ({ type: "job_ended", id }));
    };
    const leave = (id: JobId): void => {
      const job = jobs.get(id);
      if (job !== undefined) ctx.unwatch(job);
      jobs.delete(id);
      tickets.delete(id);
      orphans.delete(id);
      suspects.delete(id);
      ledger.release(id);
      grant();
    };
    const examine = (id: JobId): void => {
      ctx.run(
        () => store.get(id),
        (job) => ({ type: "orphan_examined", id, mayHold: mayHoldSlot(job, name) }),
        () => ({ type: "orphan_examined", id, mayHold: true }),
      );
    };
    const watchSuspects = (): void => {
      for (const id of suspects) if (ctx.find(jobName(id)) === undefined) suspects.delete(id);
      if (suspects.size > 0) ctx.startTimer("suspects", ORPHAN_MS, { type: "suspects_due" });
    };

    for await (const job of unfinishedJobsPatiently(store, ctx)) {
      if (placementOf(job.progress)?.destination !== name) continue;
      if (job.progress.phase === "waiting") suspects.add(job.id);
      if (!holdsRunSlot(job.progress)) continue;
      ledger.occupy(job.id, job.submitter);
      adopt(job.id);
    }
    watchSuspects();

    return {
      receive(message) {
        switch (message.type) {
          case "request_slot":
            join(message.id, message.job);
            // The grant may have been lost with the actor that asked for it; it is repeated to whoever asks again.
            tickets.set(message.id, message.ticket);
            if (ledger.isHolder(message.id)) tell(message.id);
            ledger.order(message.id, orders.get(message.id) ?? USUAL_ORDER);
            ledger.request(message.id, message.submitter);
            return grant();
          case "hold_slot":
            join(message.id, message.job);
            tickets.delete(message.id);
            ledger.occupy(message.id, message.submitter);
            return grant();
          case "release_slot":
            return leave(message.id);
          case "job_ended":
            jobs.delete(message.id);
            tickets.delete(message.id);
            return ledger.isHolder(message.id) ? adopt(message.id) : leave(message.id);
          case "orphan_due":
            return orphans.has(message.id) ? examine(message.id) : undefined;
          case "orphan_examined":
            if (!orphans.has(message.id)) return;
            return message.mayHold ? adopt(message.id) : leave(message.id);
          case "suspects_due":
            watchSuspects();
            return grant();
          case "mode_changed":
            return grant();
          case "order_changed":
            ledger.order(message.id, orders.get(message.id) ?? USUAL_ORDER);
            return grant();
          case "locate":
            return message.reply(ledger.positions(message.ids));
          case "describe":
            return message.reply({ name, capacity, held: ledger.held, waiting: ledger.waiting });
          default:
            return assertNever(message);
        }
      },
    };
  };
}

/** Whether a job may use its slot: it may have been granted one that it has not noticed. */
function mayHoldSlot(job: Job | undefined, destination: string): boolean {
  if (job === undefined || placementOf(job.progress)?.destination !== destination) return false;
  return job.progress.phase === "waiting" || holdsRunSlot(job.progress);
}
