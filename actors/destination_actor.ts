import { assertNever } from "../src/core/assert_never.ts";
import type { JobId } from "../src/core/ids.ts";
import { holdsRunSlot, placementOf } from "../src/core/job.ts";
import { SlotLedger } from "../src/core/slot_ledger.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import type { ActorFactory, ActorRef } from "./kernel/actor.ts";
import type { DestinationMessage, JobMessage } from "./messages.ts";
import { unfinishedJobs } from "./unfinished_jobs.ts";

/**
 * Owns the run slots of one destination. Before it grants anything it reads from the store who holds one, so that a
 * restart never oversteps the limit; a slot comes back when the job's actor ends in whatever way.
 */
export function destinationActor(
  name: string,
  capacity: number,
  store: Pick<JobStore, "unfinished">,
): ActorFactory<DestinationMessage> {
  return async (ctx) => {
    const ledger = new SlotLedger(capacity);
    const jobs = new Map<JobId, ActorRef<JobMessage>>();
    await occupyHeldSlots(name, ledger, store);

    const grant = (): void => {
      for (const id of ledger.grant()) {
        jobs.get(id)?.send({ type: "event", event: { type: "run_slot_granted" } });
      }
    };
    const join = (id: JobId, job: ActorRef<JobMessage>): void => {
      if (jobs.get(id) === job) return;
      jobs.set(id, job);
      ctx.watch(job, () => ({ type: "job_ended", id }));
    };
    const leave = (id: JobId): void => {
      const job = jobs.get(id);
      if (job !== undefined) ctx.unwatch(job);
      jobs.delete(id);
      ledger.release(id);
      grant();
    };

    return {
      receive(message) {
        switch (message.type) {
          case "request_slot":
            join(message.id, message.job);
            // The grant may have been lost with the actor that asked for it; it is repeated to whoever asks again.
            if (ledger.isHolder(message.id)) message.job.send({ type: "event", event: { type: "run_slot_granted" } });
            ledger.request(message.id, message.submitter);
            return grant();
          case "hold_slot":
            join(message.id, message.job);
            return ledger.occupy(message.id, message.submitter);
          case "release_slot":
          case "job_ended":
            return leave(message.id);
          case "describe":
            return message.reply({ name, capacity, held: ledger.held, waiting: ledger.waiting });
          default:
            return assertNever(message);
        }
      },
    };
  };
}

async function occupyHeldSlots(name: string, ledger: SlotLedger, store: Pick<JobStore, "unfinished">): Promise<void> {
  for await (const job of unfinishedJobs(store)) {
    if (holdsRunSlot(job.progress) && placementOf(job.progress)?.destination === name) {
      ledger.occupy(job.id, job.submitter);
    }
  }
}
