import type { Clock } from "../../src/ports/clock.ts";
import { codeOf, type ProcessEntry, type ProcessTable } from "./process_table.ts";

/** What is to be ended. */
export interface EndingOptions {
  readonly table: ProcessTable;
  readonly clock: Clock;
  readonly tag: string;
  readonly groupId: number | undefined;
  /** See {@link ProcessTable.living}. */
  readonly isGroupOurs: boolean;
  readonly graceMs: number;
  /** Sends SIGKILL to all at once, where the system can; what it misses gets the signal one by one. */
  readonly killTogether?: () => void;
  /** Told once when processes are there that SIGKILL does not end, e.g. of another account. */
  onStuck(pids: readonly number[]): void;
}

/** The last signal that was needed; undefined when nothing lived in the first place. */
export type LastSignal = "SIGTERM" | "SIGKILL" | undefined;

/** Processes on their way to their end. */
export interface Ending {
  /** Resolves when none lives. */
  readonly done: Promise<LastSignal>;
  /** Looks at once instead of after a pause: one of them is known to have ended. */
  wake(): void;
  /** Lets them be; `done` rejects with `error`. */
  abandon(error: Error): void;
}

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 250;
const STUCK_AFTER_KILLS = 20;

/**
 * Ends all processes of an attempt: SIGTERM, after the grace time SIGKILL, again and again until the process table
 * shows that none lives.
 */
export function endProcesses(options: EndingOptions): Ending {
  let abandoned: Error | undefined;
  let wake = (): void => {};
  const pause = async (delayMs: number): Promise<void> => {
    if (abandoned === undefined) {
      await new Promise<void>((resolve) => {
        const stop = options.clock.after(delayMs, resolve);
        wake = () => {
          stop();
          resolve();
        };
      });
    }
    if (abandoned !== undefined) {
      throw abandoned;
    }
  };
  return {
    done: untilNoneLives(options, pause),
    wake: () => wake(),
    abandon(error) {
      abandoned = error;
      wake();
    },
  };
}

async function untilNoneLives(options: EndingOptions, pause: (delayMs: number) => Promise<void>): Promise<LastSignal> {
  const { clock, table, groupId } = options;
  const mayHaveMissedTerm = (entry: ProcessEntry): boolean =>
    told.get(entry.pid)?.stackStart !== entry.stackStart || table.diesOfTerm(entry.pid);
  const graceUntilMs = clock.monotonicMs() + options.graceMs;
  const told = new Map<number, ProcessEntry>();
  let pauseMs = FIRST_PAUSE_MS;
  let kills = 0;
  for (;;) {
    // What was found once is remembered: an orphan that cleared its environment could not be found again.
    const remembered = [...told.values()].filter((entry) => isSame(table.read(entry.pid), entry));
    const found = table.living(groupId, options.isGroupOurs, options.tag);
    const left = [...new Map([...remembered, ...found].map((entry) => [entry.pid, entry])).values()];
    if (left.length === 0 && !table.isAnyLiving(groupId, options.isGroupOurs, options.tag)) {
      return kills > 0 ? "SIGKILL" : told.size > 0 ? "SIGTERM" : undefined;
    }
    if (clock.monotonicMs() >= graceUntilMs) {
      pauseMs = kills === 0 ? FIRST_PAUSE_MS : pauseMs;
      options.killTogether?.();
      sendAll(left, groupId, "SIGKILL");
      kills++;
    } else if (told.size === 0) {
      sendAll(left, groupId, "SIGTERM");
      // A stopped process would not see it otherwise.
      sendAll(left, groupId, "SIGCONT");
    } else {
      // New ones, and those to which a shell gave birth just then: between fork(2) and execve(2) they handle the
      // signal as the shell does, which is not at all in a child.
      for (const entry of left.filter((each) => !isSame(told.get(each.pid), each) || mayHaveMissedTerm(each))) {
        send(entry.pid, "SIGTERM");
      }
    }
    if (kills === STUCK_AFTER_KILLS) {
      options.onStuck(left.map(({ pid }) => pid));
    }
    for (const entry of left) {
      told.set(entry.pid, entry);
    }
    await pause(pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

function isSame(one: ProcessEntry | undefined, other: ProcessEntry): boolean {
  return one?.startTicks === other.startTicks;
}

/** The group gets the signal as one, so that none of its processes can slip away by forking. */
function sendAll(entries: readonly ProcessEntry[], groupId: number | undefined, signal: NodeJS.Signals): void {
  if (groupId !== undefined && entries.some((entry) => entry.groupId === groupId)) {
    send(-groupId, signal);
  }
  for (const entry of entries) {
    if (entry.groupId !== groupId) {
      send(entry.pid, signal);
    }
  }
}

/** A process that ended meanwhile is what was wanted; one of another account shows in the next look at the table. */
function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if (codeOf(error) !== "ESRCH" && codeOf(error) !== "EPERM") {
      throw error;
    }
  }
}
