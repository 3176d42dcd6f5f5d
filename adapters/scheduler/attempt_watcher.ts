import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { messageOf, SchedulerUnavailableError } from "../../src/core/errors.ts";
import type { Outcome, SchedulerStatus } from "../../src/core/job.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { type AttemptFiles, writeReturnCode } from "./attempt_files.ts";
import { endProcesses } from "./end_processes.ts";
import { outcomeOf } from "./outcome_of.ts";
import type { ProcessTable } from "./process_table.ts";

/** What the watcher works with. */
export interface WatcherOptions {
  readonly files: AttemptFiles;
  readonly table: ProcessTable;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A command that runs longer is ended; undefined means never. */
  readonly timeoutS: number | undefined;
  /** Time between SIGTERM and SIGKILL. */
  readonly killGraceMs: number;
  /** Told once of the end of every attempt that was seen running. */
  onEnded(tag: string, outcome: Outcome): void;
}

/** Knows which attempts run on this machine, started by this daemon or an earlier one, and sees to their end. */
export interface AttemptWatcher {
  /** True for an attempt that is watched, and so running. */
  isWatched(tag: string): boolean;
  /** Watches the script that was just started for an attempt. */
  watch(tag: string, directory: string, child: ChildProcess): void;
  /**
   * Looks at record and processes of an attempt, and watches it from now on when it runs.
   *
   * @returns undefined when it never began
   */
  inspect(tag: string): SchedulerStatus | undefined;
  /** Ends the attempt and all it left in the background. Rejects when the watcher is closed before that is done. */
  end(tag: string): Promise<void>;
  /** Lets processes be and forgets them. Idempotent. */
  close(): void;
}

interface Attempt {
  readonly tag: string;
  readonly pid: number;
  readonly directory: string;
  /** Undefined when an earlier daemon started it. */
  readonly child: ChildProcess | undefined;
  /** Of an adopted process; a child keeps its pid until it is collected. */
  readonly startTicks: number | undefined;
  /** False when the number of its process group may have been given to a stranger. */
  readonly isGroupOurs: boolean;
  /** True when its script was gone when we came, so that nobody knows how the command ended. */
  readonly isLost: boolean;
  exitSignal: NodeJS.Signals | undefined;
  ending: Promise<void> | undefined;
  stopDeadline(): void;
}

/** Processes of an earlier daemon do not tell when they end. */
const POLL_MS = 500;
/** Longest delay of a timer in JavaScript. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

export function attemptWatcher(options: WatcherOptions): AttemptWatcher {
  const { files, table, clock, logger, timeoutS } = options;
  const attempts = new Map<string, Attempt>();
  const sleepers = new Map<string, () => void>();
  let stopPoll: (() => void) | undefined;
  let isClosed = false;

  function add(found: Omit<Attempt, "exitSignal" | "ending" | "stopDeadline">, ageMs: number): Attempt {
    const added: Attempt = { ...found, exitSignal: undefined, ending: undefined, stopDeadline: () => {} };
    attempts.set(added.tag, added);
    if (timeoutS !== undefined) {
      armDeadline(added, clock.monotonicMs() + timeoutS * 1000 - ageMs);
    }
    return added;
  }

  function armDeadline(attempt: Attempt, dueMs: number): void {
    const delayMs = Math.min(Math.max(0, dueMs - clock.monotonicMs()), LONGEST_DELAY_MS);
    attempt.stopDeadline = clock.after(delayMs, () => {
      if (clock.monotonicMs() < dueMs) {
        armDeadline(attempt, dueMs);
      } else if (table.read(attempt.pid) !== undefined) {
        endInBackground(attempt, `Timed out after ${timeoutS} s`);
      }
    });
  }

  function remove(attempt: Attempt): void {
    attempt.stopDeadline();
    attempts.delete(attempt.tag);
  }

  function conclude(attempt: Attempt, outcome: Outcome): void {
    remove(attempt);
    options.onEnded(attempt.tag, outcome);
  }

  function onExit(attempt: Attempt, status: number | null, signal: NodeJS.Signals | null): void {
    attempt.exitSignal = signal ?? undefined;
    if (isClosed) {
      return;
    }
    if (attempt.ending !== undefined) {
      sleepers.get(attempt.tag)?.();
    } else if (status === 0) {
      conclude(attempt, outcomeOf(0));
    } else if (signal !== null) {
      // Somebody else ended the script; without it nobody would ever learn how the rest ends.
      endInBackground(attempt);
    } else {
      reconsider(attempt);
    }
  }

  /** The script is gone: its record says how the command ended, or that another script runs the attempt. */
  function reconsider(attempt: Attempt): void {
    remove(attempt);
    const status = inspect(attempt.tag, true) ?? neverBegan(attempt);
    if (status.type === "ended") {
      options.onEnded(attempt.tag, status.outcome);
    }
  }

  function neverBegan(attempt: Attempt): SchedulerStatus {
    const reason = "The command could not be started: its record could not be written";
    bestEffort("keep why a command was not started", attempt.tag, () => {
      files.claim(attempt.tag, attempt.pid, files.headOf(table.bootId, attempt.directory));
      files.append(attempt.tag, { reason });
    });
    return ended(undefined, reason);
  }

  function inspect(tag: string, isGroupOurs: boolean): SchedulerStatus | undefined {
    const before = files.read(tag);
    if (before === undefined) {
      return undefined;
    }
    const { claim } = before;
    if (before.returnCode !== undefined && before.reason === undefined) {
      return ended(before.returnCode);
    }
    if (claim !== undefined && claim.bootId !== table.bootId) {
      return ended(before.returnCode, before.reason ?? "The command was interrupted: the machine was restarted");
    }
    const script = claim === undefined ? undefined : table.read(claim.pid);
    const isRunning = script !== undefined && table.isMarked(script.pid, tag);
    // What has just ended wrote the last line of its record after we read it.
    const { reason, returnCode, notice } = (isRunning ? undefined : files.read(tag)) ?? before;
    if (!isRunning && returnCode !== undefined && reason === undefined) {
      return ended(returnCode);
    }
    const lostReason =
      notice === undefined
        ? "The command was interrupted: its process is gone and left no return code"
        : `The command left no return code: ${notice}`;
    if (!isRunning && table.living(claim?.pid, isGroupOurs, tag).length === 0) {
      return ended(returnCode, reason ?? lostReason);
    }
    if (claim !== undefined) {
      const { pid, directory } = claim;
      const [startTicks, ageMs] = script === undefined ? [0, 0] : [script.startTicks, table.ageMs(script)];
      const found = { tag, pid, directory, child: undefined, startTicks };
      const attempt = add({ ...found, isGroupOurs: isGroupOurs || isRunning, isLost: !isRunning }, ageMs);
      if (isRunning && reason === undefined) {
        poll();
      } else {
        endInBackground(attempt, reason ?? lostReason);
      }
    }
    return { type: "running" };
  }

  function poll(): void {
    stopPoll ??= clock.after(POLL_MS, () => {
      stopPoll = undefined;
      for (const attempt of [...attempts.values()].filter(isAdopted)) {
        if (table.read(attempt.pid)?.startTicks !== attempt.startTicks) {
          reconsider(attempt);
        }
      }
      if ([...attempts.values()].some(isAdopted)) {
        poll();
      }
    });
  }

  function beginEnding(attempt: Attempt, reason?: string): Promise<void> {
    attempt.ending ??= endNow(attempt, reason).catch((error: unknown) => {
      attempt.ending = undefined;
      throw error;
    });
    return attempt.ending;
  }

  function endInBackground(attempt: Attempt, reason?: string): void {
    beginEnding(attempt, reason).catch((error: unknown) => {
      if (!isClosed) {
        logger.error("Could not end a command", { tag: attempt.tag, reason: messageOf(error) });
      }
    });
  }

  async function endNow(attempt: Attempt, reason: string | undefined): Promise<void> {
    const { tag, pid, directory } = attempt;
    attempt.stopDeadline();
    if (reason !== undefined) {
      // First the reason, then the deed: the next daemon may have to finish it.
      bestEffort("keep why a command is ended", tag, () => files.append(tag, { reason }));
    }
    const lastSignal = await endAll(tag, pid, attempt.isGroupOurs);
    const record = files.read(tag);
    const signal = attempt.isLost ? undefined : (attempt.exitSignal ?? lastSignal);
    const returnCode = record?.returnCode ?? (signal === undefined ? undefined : -constants.signals[signal]);
    if (returnCode !== undefined && record?.returnCode === undefined) {
      bestEffort("write the return code of a command", tag, () => {
        writeReturnCode(directory, returnCode);
        files.claim(tag, pid, files.headOf(table.bootId, directory));
        files.append(tag, { returnCode });
      });
    }
    conclude(attempt, outcomeOf(returnCode, record?.reason ?? reason));
  }

  function endAll(tag: string, groupId: number | undefined, isGroupOurs: boolean) {
    return endProcesses({
      table,
      clock,
      tag,
      groupId,
      isGroupOurs,
      graceMs: options.killGraceMs,
      pause: (delayMs) => pause(tag, delayMs),
      onStuck: (pids) => logger.warn("Processes of a command do not end", { tag, pids }),
    });
  }

  function pause(tag: string, delayMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        stop();
        sleepers.delete(tag);
        if (isClosed) {
          reject(new SchedulerUnavailableError("The scheduler was closed while a command was being ended"));
        } else {
          resolve();
        }
      };
      const stop = clock.after(delayMs, wake);
      sleepers.set(tag, wake);
    });
  }

  function bestEffort(what: string, tag: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      logger.warn(`Could not ${what}`, { tag, reason: messageOf(error) });
    }
  }

  return {
    isWatched: (tag) => attempts.has(tag),
    watch(tag, directory, child) {
      const attempt = add(
        { tag, pid: child.pid ?? 0, directory, child, startTicks: undefined, isGroupOurs: true, isLost: false },
        0,
      );
      child.once("exit", (status, signal) => onExit(attempt, status, signal));
    },
    inspect: (tag) => (attempts.has(tag) ? { type: "running" } : inspect(tag, false)),
    async end(tag) {
      const status = attempts.has(tag) ? undefined : inspect(tag, false);
      const attempt = attempts.get(tag);
      if (attempt !== undefined) {
        await beginEnding(attempt);
      } else {
        // Nothing of it should be there but what it left in the background.
        const groupId = status === undefined ? undefined : files.read(tag)?.claim?.pid;
        await endAll(tag, groupId, false);
      }
    },
    close() {
      isClosed = true;
      stopPoll?.();
      for (const attempt of attempts.values()) {
        attempt.stopDeadline();
        attempt.child?.unref();
      }
      attempts.clear();
      for (const wake of [...sleepers.values()]) {
        wake();
      }
    },
  };
}

function isAdopted(attempt: Attempt): boolean {
  return attempt.child === undefined && attempt.ending === undefined;
}

function ended(returnCode: number | undefined, reason?: string): SchedulerStatus {
  return { type: "ended", outcome: outcomeOf(returnCode, reason) };
}
