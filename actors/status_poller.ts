import { assertNever } from "../src/core/assert_never.ts";
import { messageOf } from "../src/core/errors.ts";
import type { SchedulerJobId } from "../src/core/ids.ts";
import type { SchedulerStatus } from "../src/core/job.ts";
import type { Scheduler } from "../src/ports/scheduler.ts";
import type { ActorFactory, ActorRef } from "./kernel/actor.ts";
import type { JobMessage, PollerMessage } from "./messages.ts";

/** How often a scheduler is asked; one that pushes is asked far less, only to notice what a push has missed. */
export interface PollIntervals {
  readonly pollMs: number;
  readonly pushedPollMs: number;
}

export const DEFAULT_POLL_INTERVALS: PollIntervals = { pollMs: 5_000, pushedPollMs: 60_000 };

/**
 * Tells jobs what their scheduler says about them: asks once per tick for all jobs of the destination, and listens
 * where the scheduler can push. An unanswered question changes nothing.
 */
export function statusPoller(scheduler: Scheduler, intervals: PollIntervals): ActorFactory<PollerMessage> {
  return (ctx) => {
    const watched = new Map<SchedulerJobId, ActorRef<JobMessage>>();
    const intervalMs = scheduler.listen === undefined ? intervals.pollMs : intervals.pushedPollMs;
    /** Watched since the last question; a scheduler that pushes may have spoken before anybody listened. */
    let isAsking = false;
    let fresh: SchedulerJobId[] = [];
    /** What was pushed, newest per job. Kept here and not in the mailbox, so that no push is lost for lack of room. */
    let pushed = new Map<SchedulerJobId, SchedulerStatus>();

    const unlisten = scheduler.listen?.((id, status) => {
      if (pushed.size === 0) ctx.self.send({ type: "pushed" });
      pushed.set(id, status);
    });
    ctx.startTimer("tick", intervalMs, { type: "tick" });

    const report = (statuses: ReadonlyMap<SchedulerJobId, SchedulerStatus>): void => {
      for (const [schedulerJobId, status] of statuses) {
        const job = watched.get(schedulerJobId);
        if (job === undefined) continue;
        const sent = job.send({ type: "event", event: { type: "status_observed", schedulerJobId, status } });
        if (sent === "dead") watched.delete(schedulerJobId);
      }
    };
    const reportPushed = (): void => {
      const statuses = pushed;
      pushed = new Map();
      report(statuses);
    };
    const ask = (ids: readonly SchedulerJobId[]): void => {
      if (isAsking || ids.length === 0) return;
      isAsking = true;
      ctx.run(
        (signal) => scheduler.statuses(ids, signal),
        (statuses) => ({ type: "answered", statuses }),
        (error) => ({ type: "unanswered", error }),
      );
    };
    const askFresh = (): void => {
      if (isAsking) return;
      const ids = fresh.filter((id) => watched.has(id));
      fresh = [];
      ask(ids);
    };

    return {
      receive(message) {
        switch (message.type) {
          case "watch":
            watched.set(message.schedulerJobId, message.job);
            if (scheduler.listen === undefined) return;
            fresh.push(message.schedulerJobId);
            return askFresh();
          case "forget":
            watched.delete(message.schedulerJobId);
            return forget(message.schedulerJobId);
          case "pushed":
            return reportPushed();
          case "tick":
            ctx.startTimer("tick", intervalMs, { type: "tick" });
            reportPushed();
            return ask([...watched.keys()]);
          case "answered":
            isAsking = false;
            report(message.statuses);
            return askFresh();
          case "unanswered":
            isAsking = false;
            ctx.logger.warn("The scheduler did not answer; jobs keep their state", {
              reason: messageOf(message.error),
            });
            return;
          case "forgotten":
            return;
          default:
            return assertNever(message);
        }
      },
      onStop: () => unlisten?.(),
    };

    function forget(id: SchedulerJobId): void {
      const drop = scheduler.forget;
      if (drop === undefined) return;
      ctx.run(
        () => drop.call(scheduler, id),
        () => ({ type: "forgotten" }),
        (error) => {
          ctx.logger.warn("The scheduler could not forget an ended job", {
            schedulerJobId: id,
            reason: messageOf(error),
          });
          return { type: "forgotten" };
        },
      );
    }
  };
}
