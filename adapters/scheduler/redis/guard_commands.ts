import { messageOf } from "../../../src/core/errors.ts";
import type { AttemptTag } from "../../../src/core/ids.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import type { Scheduler } from "../../../src/ports/scheduler.ts";
import type { LifeFiles } from "./life_file.ts";

export interface GuardOptions {
  readonly life: LifeFiles;
  /** Of this process. */
  readonly pid: number;
  /** The attempts with a record. */
  readonly records: () => readonly AttemptTag[];
  /** Makes the record of an attempt, unless there is one; a command that comes later does not begin. */
  readonly claim: (tag: AttemptTag) => void;
  /** Over the records of the performer; starts nothing. */
  readonly runner: Scheduler;
  readonly isPerformerAlive: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 250;

/**
 * Ends the commands of a performer that does not do so itself, as it was killed or stands still, when their time is
 * over. Resolves when there is nothing to guard any more, or another guard has come; no fault ends it before.
 */
export async function guardCommands(options: GuardOptions): Promise<void> {
  const { life, runner, clock, logger } = options;
  const { signal } = new AbortController();
  life.setGuard(options.pid);
  let toldReason = "";
  for (let isDone = false; !isDone; ) {
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    isDone = await look().catch((error: unknown) => {
      const reason = messageOf(error);
      // What lasts would be told several times a second.
      if (reason !== toldReason) {
        logger.error("The guard could not look after all commands, and looks again", { reason });
      }
      toldReason = reason;
      return false;
    });
  }

  /** @returns true when there is nothing to guard any more, or another guard has come */
  async function look(): Promise<boolean> {
    if (life.guard() !== options.pid) return true;
    const untilMs = life.untilMs();
    const isOver = untilMs !== undefined && life.nowMs() >= untilMs;
    const isAlone = !options.isPerformerAlive();
    if (!isOver && !isAlone) return false;
    if (isOver) closeStarts();
    // One that cannot be looked at keeps no other from its end.
    const looks = await Promise.allSettled(options.records().map((tag) => lookAt(tag, isOver)));
    const failed = looks.find((each) => each.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const isAnyRunning = looks.some((each) => each.status === "fulfilled" && each.value);
    return isAlone && (isOver || (!isAnyRunning && life.starts().length === 0));
  }

  /** The performer may have stood still in the middle of a start, and goes on with it whenever it does. */
  function closeStarts(): void {
    const recorded = new Set(options.records());
    for (const tag of life.starts().filter((each) => !recorded.has(each))) {
      life.noteEnding(tag);
      options.claim(tag);
      logger.warn("The guard has closed the start of a command", { tag });
    }
  }

  /** Ends a command whose time is over. @returns true when it ran */
  async function lookAt(tag: AttemptTag, isOver: boolean): Promise<boolean> {
    const id = await runner.find(tag, signal);
    const status = id === undefined ? undefined : (await runner.statuses([id], signal)).get(id);
    if (id === undefined || status?.type !== "running") return false;
    if (isOver) {
      // First the note: the performer has to know that the command did not end by itself.
      life.noteEnding(tag);
      await runner.cancel(id, signal);
      logger.warn("The guard has ended a command", { tag });
    }
    return true;
  }
}
