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
 * over. Resolves when there is nothing to guard any more, or another guard has come.
 */
export async function guardCommands(options: GuardOptions): Promise<void> {
  const { life, runner, clock, logger } = options;
  const { signal } = new AbortController();
  life.setGuard(options.pid);
  for (;;) {
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    if (life.guard() !== options.pid) return;
    const untilMs = life.untilMs();
    const isOver = untilMs !== undefined && life.nowMs() >= untilMs;
    const isAlone = !options.isPerformerAlive();
    if (!isOver && !isAlone) continue;
    if (isOver) closeStarts();
    const running = await runningOf(options, signal);
    if (isOver) {
      await Promise.all(running.map(([tag, id]) => endOne(tag, id)));
    }
    if (isAlone && (isOver || (running.length === 0 && life.starts().length === 0))) return;
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

  async function endOne(tag: AttemptTag, id: Parameters<Scheduler["cancel"]>[0]): Promise<void> {
    try {
      // First the note: the performer has to know that the command did not end by itself.
      life.noteEnding(tag);
      await runner.cancel(id, signal);
      logger.warn("The guard has ended a command", { tag });
    } catch (error) {
      logger.error("The guard could not end a command", { tag, reason: messageOf(error) });
    }
  }
}

async function runningOf({ records, runner, logger }: GuardOptions, signal: AbortSignal) {
  const found: (readonly [AttemptTag, Parameters<Scheduler["cancel"]>[0]])[] = [];
  for (const tag of records()) {
    try {
      const id = await runner.find(tag, signal);
      if (id === undefined) continue;
      const status = (await runner.statuses([id], signal)).get(id);
      if (status?.type === "running") found.push([tag, id]);
    } catch (error) {
      logger.error("The guard could not look at a command", { tag, reason: messageOf(error) });
    }
  }
  return found;
}
