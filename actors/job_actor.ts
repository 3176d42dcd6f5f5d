import type { JobId } from "../src/core/ids.ts";
import { isFinished, type Job } from "../src/core/job.ts";
import { type JobActorOptions, JobBehaviour, patienceOf } from "./job_behaviour.ts";
import type { ActorFactory } from "./kernel/actor.ts";
import type { JobMessage } from "./messages.ts";
import { patiently } from "./patience.ts";

/** What the first incarnation of a job's actor starts from. */
export type JobStart =
  /** The job as just saved, which spares a read. */
  | { readonly type: "known"; readonly job: Job }
  /** The store knows; there is nothing to do when the job has ended meanwhile. */
  | { readonly type: "continue" }
  /** The store knows; a request follows, which a job that has ended waits for. */
  | { readonly type: "request" };

/**
 * Owns one job: serialises what happens to it, saves every step and only then starts its effects. Each incarnation
 * continues from the store.
 */
export function jobActor(id: JobId, start: JobStart, options: JobActorOptions): ActorFactory<JobMessage> {
  let from = start;
  return async (ctx) => {
    const { type } = from;
    const job =
      from.type === "known" ? from.job : await patiently(patienceOf(ctx, options), () => options.world.store.get(id));
    // The last step of an incarnation that crashed may be saved although nobody was told.
    if (type !== "known") options.watchers.wake(id);
    from = { type: "continue" };
    if (job !== undefined && !isFinished(job)) ctx.self.send({ type: "event", event: { type: "resumed" } });
    else if (job === undefined || type !== "request") ctx.stop();
    return new JobBehaviour(ctx, id, job, options);
  };
}
