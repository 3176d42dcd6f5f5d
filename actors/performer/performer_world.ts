import type { AttemptTag } from "../../src/core/ids.ts";
import type { AttemptQueue } from "../../src/ports/attempt_queue.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import type { Workplace } from "../../src/ports/workplace.ts";

/** What the performer of one destination works with. */
export interface PerformerWorld {
  /** Of the destination. */
  readonly name: string;
  readonly queue: AttemptQueue;
  /** Runs commands on this machine. */
  readonly runner: Scheduler;
  /** Has the files of the jobs. */
  readonly workplace: Workplace;
  /** How many commands may run at a time. */
  readonly capacity: number;
  /**
   * How long it takes at most to end all commands, with time to spare. So long before the lease is over their end
   * begins.
   */
  readonly endingMs: number;
  /** False while no command could begin here, as a disk is full. */
  hasRoom(): boolean;
  /** The attempts that this machine has records of, of this or an earlier life of the performer. */
  records(): Promise<readonly AttemptTag[]>;
  /**
   * Tells who watches over this process until when its commands may live, as milliseconds from now; they end then when
   * nothing more is told.
   */
  mayLiveFor(ms: number): void;
  /**
   * To be asked right before the command of an attempt is started: false when its time is over. When that is over before
   * the command is there, it does not begin any more, however long this process stands still.
   */
  mayStart(tag: AttemptTag): boolean;
  /** Nothing of the attempt is here any more. */
  startIsOver(tag: AttemptTag): void;
  /** To be noted before a command is ended through no fault of its own, for the next life. */
  noteEnding(tag: AttemptTag): void;
  /** True when that was noted of an attempt, by us or by the one who watches. */
  wasEndedForUs(tag: AttemptTag): boolean;
}
