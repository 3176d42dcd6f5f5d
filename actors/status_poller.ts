import { assertNever } from "../src/core/assert_never.ts";
import { messageOf } from "../src/core/errors.ts";
import type { SchedulerJobId } from "../src/core/ids.ts";
import type { SchedulerStatus } from "../src/core/job.ts";
import type { Scheduler } from "../src/ports/scheduler.ts";
import { healthName, type TryOutcome } from "./health_messages.ts";
import { tryOutcomeOf } from "./job_tries.ts";
import type { ActorFactory, ActorRef } from "./kernel/actor.ts";
import type { JobMessage, PollerMessage } from "./messages.ts";

/** How often a scheduler is asked that cannot push. */
export interface PollIntervals {
  /** While something changes. */
  readonly shortestMs: number;
  /** When nothing has changed for a long time. */
  readonly longestMs: number;
}

/** One that pushes is asked only to notice what a push has missed. */
const PUSHED_MS = 60_000;

/** By how much each further wait is longer while nothing changes. */
const SLOWING = 1.5;

/**
 * Tells jobs what their scheduler says about them: asks once per tick for all jobs of the destination, and listens
 * where the scheduler can push. An unanswered question changes nothing but what is thought of the scheduler's health.
 */
export function statusPoller(
  destination: string,
  scheduler: Scheduler,
  intervals: PollIntervals,
): ActorFactory<PollerMessage> {
  return (ctx) => {
    const watched = new Map<SchedulerJobId, ActorRef<JobMessage>>();
    const isPolled = scheduler.listen === undefined;
    const shortestMs = isPolled ? intervals.shortestMs : PUSHED_MS;
    const longestMs = isPolled ? Math.max(intervals.longestMs, shortestMs) : PUSHED_MS;
    let waitMs = shortestMs;
    /** What the scheduler said last of each job. */
    const seen = new Map<SchedulerJobId, SchedulerStatus["type"]>();
    /** True from the request for a try until its answer. */
    let isAsking = false;
    /** True when the next question is for all jobs. */
    let isTickDue = false;
    /** Watched since the last question; a scheduler that pushes may have spoken before anybody listened. */
    let fresh: SchedulerJobId[] = [];
    /** What was pushed, newest per job. Kept here and not in the mailbox, so that no push is lost for lack of room. */
    let pushed = new Map<SchedulerJobId, SchedulerStatus>();

    const unlisten = scheduler.listen?.((id, status) => {
      if (pushed.size === 0) ctx.self.send({ type: "pushed" });
      pushed.set(id, status);
    });
    let nextTickMs = 0;
    const tickLater = (): void => {
      nextTickMs = ctx.clock.monotonicMs() + waitMs;
      ctx.startTimer("tick", waitMs, { type: "tick" });
    };
    tickLater();

    const unwatch = (id: SchedulerJobId): void => {
      watched.delete(id);
      seen.delete(id);
    };
    /** @returns true when anything is new */
    const note = (statuses: ReadonlyMap<SchedulerJobId, SchedulerStatus>): boolean => {
      let isNew = false;
      for (const [id, { type }] of statuses) {
        if (!watched.has(id) || seen.get(id) === type) continue;
        seen.set(id, type);
        isNew = true;
      }
      return isNew;
    };
    const setPace = (hasChanged: boolean): void => {
      const before = waitMs;
      waitMs = hasChanged ? shortestMs : Math.min(longestMs, waitMs * SLOWING);
      // Only a slow one is hurried: many changes must not put the question off again and again.
      if (waitMs < before) tickLater();
    };
    const report = (
      statuses: ReadonlyMap<SchedulerJobId, SchedulerStatus>,
      asked: ReadonlyMap<SchedulerJobId, ActorRef<JobMessage>> = watched,
    ): void => {
      for (const [schedulerJobId, status] of statuses) {
        const job = watched.get(schedulerJobId);
        // Schedulers use ids again: what was asked about one job says nothing about the next that has its id.
        if (job === undefined || job !== asked.get(schedulerJobId)) continue;
        const sent = job.send({ type: "event", event: { type: "status_observed", schedulerJobId, status } });
        if (sent === "dead") unwatch(schedulerJobId);
      }
    };
    const reportPushed = (): void => {
      const statuses = pushed;
      pushed = new Map();
      report(statuses);
    };
    const requestTry = (): void => {
      if (isAsking || watched.size === 0) return;
      const health = ctx.find(healthName(destination));
      isAsking =
        health?.send({ type: "request_try", part: "scheduler", by: ctx.self, isQuestion: true }) === "delivered";
    };
    const endTry = (outcome: TryOutcome): void => {
      ctx.find(healthName(destination))?.send({ type: "try_ended", part: "scheduler", by: ctx.self, outcome });
    };
    const ask = (isProbe: boolean): void => {
      const ids = isTickDue ? [...watched.keys()] : fresh.filter((id) => watched.has(id));
      isTickDue = false;
      fresh = [];
      if (ids.length === 0) {
        isAsking = false;
        return endTry({ type: "unused" });
      }
      const asked = new Map(watched);
      ctx.run(
        (signal) => scheduler.statuses(ids, signal),
        (statuses) => ({ type: "answered", statuses, asked }),
        (error) => ({ type: "unanswered", error, isProbe }),
      );
    };

    return {
      receive(message) {
        switch (message.type) {
          case "watch":
            watched.set(message.schedulerJobId, message.job);
            if (isPolled) return setPace(true);
            fresh.push(message.schedulerJobId);
            return requestTry();
          case "forget":
            if (watched.get(message.schedulerJobId) === message.job) unwatch(message.schedulerJobId);
            return forget(message.schedulerJobId);
          case "pushed":
            return reportPushed();
          case "tick":
            tickLater();
            reportPushed();
            isTickDue = true;
            return requestTry();
          case "try_granted":
            return ask(message.isProbe);
          case "answered":
            isAsking = false;
            endTry({ type: "answered" });
            setPace(note(message.statuses));
            report(message.statuses, message.asked);
            return fresh.length > 0 ? requestTry() : undefined;
          case "unanswered": {
            isAsking = false;
            endTry(tryOutcomeOf(message.error));
            const reason = messageOf(message.error);
            // Of a degraded destination this was said once for all.
            if (message.isProbe) ctx.logger.debug("The scheduler still does not answer", { reason });
            else ctx.logger.warn("The scheduler did not answer; jobs keep their state", { reason });
            return;
          }
          case "forgotten":
            return;
          case "ping":
            return message.reply();
          case "describe": {
            const leftMs = Math.max(0, nextTickMs - ctx.clock.monotonicMs());
            return message.reply({ jobs: watched.size, nextMs: Math.round(ctx.clock.nowMs() + leftMs) });
          }
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
