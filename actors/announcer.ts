import { placementOf } from "../src/core/job.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import type { ActorFactory } from "./kernel/actor.ts";
import { jobName } from "./messages.ts";
import { unfinishedJobsPatiently } from "./unfinished_jobs.ts";

/**
 * Started after the other actors of a destination, each time anew: tells the destination's jobs that those actors
 * know nothing of them, so that they ask again.
 */
export function announcer(
  destination: string,
  store: Pick<JobStore, "unfinished">,
): ActorFactory<{ readonly type: "announced" }> {
  return (ctx) => {
    const announce = async (signal: AbortSignal): Promise<void> => {
      for await (const job of unfinishedJobsPatiently(store, ctx, signal)) {
        if (placementOf(job.progress)?.destination !== destination) continue;
        ctx.find(jobName(job.id))?.send({ type: "destination_restarted" });
      }
    };
    let fault: unknown;
    ctx.run(
      announce,
      () => ({ type: "announced" }),
      (error) => {
        fault = error;
        return { type: "announced" };
      },
    );
    return {
      receive() {
        if (fault !== undefined) throw fault;
      },
    };
  };
}
