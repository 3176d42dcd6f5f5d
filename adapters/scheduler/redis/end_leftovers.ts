import { messageOf } from "../../../src/core/errors.ts";
import type { SchedulerJobId } from "../../../src/core/ids.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import type { Scheduler } from "../../../src/ports/scheduler.ts";
import type { AttemptCgroups } from "../attempt_cgroups.ts";
import { parseAttemptId } from "../attempt_id.ts";
import type { ProcessTable } from "../process_table.ts";

export interface LeftoverOptions {
  readonly table: ProcessTable;
  readonly cgroups: AttemptCgroups | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 1_000;

/**
 * A scheduler of local commands that ends what they have left in the background, soon after they are forgotten. One
 * look at all processes serves for all of them, as that is what costs.
 */
export function endingLeftovers(
  runner: Scheduler,
  { table, cgroups, clock, logger }: LeftoverOptions,
): Scheduler & { forget(id: SchedulerJobId): Promise<void> } {
  const { signal } = new AbortController();
  let forgotten = new Set<SchedulerJobId>();
  let stopLooking: (() => void) | undefined;

  const lookSoon = (): void => {
    stopLooking ??= clock.after(LOOK_MS, () => void look());
  };

  const look = async (): Promise<void> => {
    stopLooking = undefined;
    if (forgotten.size === 0) return;
    let living: ReadonlySet<string>;
    try {
      living = table.livingTags();
    } catch (error) {
      logger.warn("Could not look for what commands have left, and looks again", { reason: messageOf(error) });
      lookSoon();
      return;
    }
    const ids = forgotten;
    forgotten = new Set();
    for (const id of ids) {
      const tag = parseAttemptId(id)?.tag;
      try {
        if (tag !== undefined && (living.has(tag) || cgroups?.isPopulated(tag) === true)) {
          logger.info("What a command has left in the background is ended", { tag });
          await runner.cancel(id, signal);
        }
        await runner.forget?.(id);
      } catch (error) {
        logger.warn("What a command has left could not be ended", { tag, reason: messageOf(error) });
      }
    }
  };

  return {
    ...runner,
    async forget(id) {
      forgotten.add(id);
      // The record stays until then, so that after a crash the next performer looks.
      lookSoon();
    },
    async close() {
      stopLooking?.();
      await look();
      stopLooking?.();
      await runner.close();
    },
  };
}
