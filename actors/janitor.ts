import { assertNever } from "../src/core/assert_never.ts";
import { BusyError } from "../src/core/errors.ts";
import type { RetentionRules } from "../src/core/retention.ts";
import type { JobService } from "../src/ports/job_service.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import type { Leftovers } from "../src/ports/leftovers.ts";
import { type CleanUpReport, type CleanUpWorld, cleanUp } from "./clean_up.ts";
import type { JobDirectory } from "./job_directory.ts";
import type { ActorContext, ActorFactory } from "./kernel/actor.ts";

export type JanitorMessage =
  | { readonly type: "round_due"; readonly extent: "uploads" | "all" }
  | { readonly type: "round_ended"; readonly extent: "uploads" | "all"; readonly report: CleanUpReport };

export interface JanitorOptions {
  readonly store: JobStore;
  readonly leftovers: Leftovers;
  readonly directory: JobDirectory;
  readonly jobs: Pick<JobService, "remove">;
  /** Asked for each round. */
  readonly retention: () => RetentionRules;
  /** Uploads that were there before new ones could come. */
  readonly abandonedUploads: ReadonlySet<string>;
  /** Undefined: one round at once and no more, and unfinished jobs are left alone. */
  readonly intervals: JanitorIntervals | undefined;
  /** Told after each full round. */
  readonly onRound?: (report: CleanUpReport) => void;
}

export interface JanitorIntervals {
  /** From the start to the first full round, so that the start is not slowed down. */
  readonly firstMs: number;
  /** From the end of a full round to the next. */
  readonly everyMs: number;
}

export const DEFAULT_JANITOR_INTERVALS: JanitorIntervals = { firstMs: 60_000, everyMs: 3_600_000 };

/** Cleans up at start and from time to time, beside everything else. */
export function janitor(options: JanitorOptions): ActorFactory<JanitorMessage> {
  return (ctx) => {
    const world = worldOf(options, ctx);
    const begin = (extent: "uploads" | "all"): void =>
      ctx.run<CleanUpReport>(
        (signal) => cleanUp(world, extent, signal),
        (report) => ({ type: "round_ended", extent, report }),
        (error) => {
          throw error;
        },
      );
    begin(options.intervals === undefined ? "all" : "uploads");
    return {
      receive(message) {
        switch (message.type) {
          case "round_due":
            return begin(message.extent);
          case "round_ended": {
            const { intervals } = options;
            if (message.extent === "all") options.onRound?.(message.report);
            if (intervals === undefined) return;
            const delayMs = message.extent === "all" ? intervals.everyMs : intervals.firstMs;
            return ctx.startTimer("round", delayMs, { type: "round_due", extent: "all" });
          }
          default:
            return assertNever(message);
        }
      },
    };
  };
}

function worldOf(options: JanitorOptions, ctx: ActorContext<JanitorMessage>): CleanUpWorld {
  const { store, leftovers, directory, jobs, retention, abandonedUploads, intervals } = options;
  const { clock, logger } = ctx;
  const startMs = clock.nowMs() - clock.monotonicMs();
  return {
    ...{ store, leftovers, abandonedUploads, clock, logger },
    get retention() {
      return retention();
    },
    trustedNowMs: () => Math.min(clock.nowMs(), startMs + clock.monotonicMs()),
    isLookedAfter: (job) => directory.isLookedAfter((name) => ctx.find(name), job),
    takeUp:
      intervals === undefined
        ? undefined
        : (id) => void directory.ensure((name) => ctx.find(name), id, { type: "continue" }),
    async deleteJob({ id, submitter }) {
      if ((await jobs.remove(id, submitter)) === "in_transit") throw new BusyError("Its files are being copied");
    },
  };
}
