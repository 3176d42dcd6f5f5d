import { constants } from "node:os";
import { assertNever } from "../../src/core/assert_never.ts";
import { messageOf, SchedulerUnavailableError } from "../../src/core/errors.ts";
import type { SchedulerStatus } from "../../src/core/job.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { AttemptCgroups } from "./attempt_cgroups.ts";
import { type AttemptFiles, writeReturnCode } from "./attempt_files.ts";
import { type Ending, endProcesses, type LastSignal } from "./end_processes.ts";
import { examineAttempt } from "./examine_attempt.ts";
import { lostChildren } from "./lost_children.ts";
import { outcomeOf } from "./outcome_of.ts";
import type { ProcessTable } from "./process_table.ts";
import type { Child, ChildEnd } from "./spawner.ts";

/** What the watcher works with. */
export interface WatcherOptions {
  readonly files: AttemptFiles;
  readonly table: ProcessTable;
  /** Where each attempt has a control group. */
  readonly cgroups: AttemptCgroups | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A command that runs longer is ended; undefined means never. */
  readonly timeoutS: number | undefined;
  /** Time between SIGTERM and SIGKILL. */
  readonly killGraceMs: number;
  /** Told once of the end of every attempt that was seen running. */
  onEnded(tag: string, status: EndedStatus): void;
}

type EndedStatus = Extract<SchedulerStatus, { type: "ended" }>;

/** Knows which attempts run on this machine, started by this daemon or an earlier one, and sees to their end. */
export interface AttemptWatcher {
  /** True for an attempt that is watched, and so running. */
  isWatched(tag: string): boolean;
  /** Watches the script that was just started for an attempt. */
  watch(tag: string, directory: string, child: Child): void;
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
  /** False when an earlier daemon started it, or its end will not be told for another reason. */
  isChild: boolean;
  /** Of an adopted process; a child keeps its pid until it is collected. */
  startTicks: number | undefined;
  /** False when the number of its process group may have been given to a stranger. */
  readonly isGroupOurs: boolean;
  /** True when its script was gone when we came, so that nobody knows how the command ended. */
  readonly isLost: boolean;
  /** True when it was lost without anybody's doing. */
  readonly isInterrupted: boolean;
  exitSignal: NodeJS.Signals | undefined;
  ending: Promise<void> | undefined;
  stopDeadline(): void;
}

/** Processes of an earlier daemon do not tell when they end. */
const POLL_MS = 500;
/** What could not be ended, e.g. as /proc could not be read, is ended again after this time. */
const END_AGAIN_MS = 5000;
/** The start of no process. */
const NOT_THERE = -1;
/** What is so of most attempts. */
const USUAL = {
  isChild: false,
  startTicks: undefined,
  isGroupOurs: true,
  isLost: false,
  isInterrupted: false,
} as const;
const RUNNING: SchedulerStatus = { type: "running" };

export function attemptWatcher(options: WatcherOptions): AttemptWatcher {
  const { files, table, clock, logger, timeoutS } = options;
  const attempts = new Map<string, Attempt>();
  const endings = new Map<string, Ending>();
  let stopPoll: (() => void) | undefined;
  let isClosed = false;
  const children = lostChildren<Attempt>(
    clock,
    (attempt) => attempt.ending === undefined && isGone(attempt),
    (attempt) => {
      logger.warn("The runtime has not told the end of a command", { tag: attempt.tag, pid: attempt.pid });
      look(attempt, () => reconsider(attempt, false));
    },
  );

  /** @returns undefined when the look failed, from which nothing follows; it has to be repeated */
  function look<T>({ tag, pid }: Attempt, run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      logger.warn("Could not look after a process", { tag, pid, reason: messageOf(error) });
      return undefined;
    }
  }

  function isGone(attempt: Attempt): boolean {
    const { pid, tag } = attempt;
    return look(attempt, () => table.read(pid) === undefined || !table.isMarked(pid, tag)) ?? false;
  }

  function add(found: Omit<Attempt, "exitSignal" | "ending" | "stopDeadline">, ageMs: number): Attempt {
    const added: Attempt = { ...found, exitSignal: undefined, ending: undefined, stopDeadline: () => {} };
    const earlier = attempts.get(added.tag);
    if (earlier !== undefined) {
      remove(earlier);
    }
    attempts.set(added.tag, added);
    if (timeoutS !== undefined) {
      added.stopDeadline = clock.after(Math.max(0, timeoutS * 1000 - ageMs), () => {
        if (!isGone(added)) {
          endInBackground(added, `Timed out after ${timeoutS} s`);
        }
      });
    }
    return added;
  }

  function remove(attempt: Attempt): void {
    attempt.stopDeadline();
    attempts.delete(attempt.tag);
    children.leave(attempt);
  }

  function conclude(attempt: Attempt, status: EndedStatus): void {
    remove(attempt);
    options.onEnded(attempt.tag, status);
  }

  function onEnd(attempt: Attempt, end: ChildEnd): void {
    if (isClosed || attempts.get(attempt.tag) !== attempt) {
      return;
    }
    if (end.type === "lost") {
      attempt.startTicks = table.read(attempt.pid)?.startTicks ?? NOT_THERE;
      attempt.isChild = false;
      children.leave(attempt);
      poll();
      return;
    }
    const { status, signal } = end;
    attempt.exitSignal = signal ?? undefined;
    if (attempt.ending !== undefined) {
      endings.get(attempt.tag)?.wake();
    } else if (status === 0) {
      conclude(attempt, { type: "ended", outcome: outcomeOf(0) });
    } else if (signal !== null) {
      // Somebody else ended the script; without it nobody would ever learn how the rest ends.
      endInBackground(attempt);
    } else {
      reconsider(attempt);
    }
  }

  /**
   * The script is gone: its record says how the command ended, or that another script runs the attempt. Until that is
   * known it is watched as before.
   *
   * @param isPidOurs false when its number may have been given to a stranger meanwhile
   */
  function reconsider(attempt: Attempt, isPidOurs = true): void {
    const status = inspect(attempt.tag, isPidOurs ? attempt.pid : undefined) ?? neverBegan(attempt);
    if (status.type === "ended") {
      conclude(attempt, status);
    }
  }

  function neverBegan(attempt: Attempt): SchedulerStatus {
    const reason = "The command could not be started: its record could not be written";
    bestEffort("keep why a command was not started", attempt.tag, () => {
      files.claim(attempt.tag, attempt.pid, files.headOf(table.bootId, attempt.directory));
      files.append(attempt.tag, { reason });
    });
    return { type: "ended", outcome: outcomeOf(undefined, reason) };
  }

  function inspect(tag: string, pidSeenAlive?: number): SchedulerStatus | undefined {
    const seen = examineAttempt(files, table, tag, pidSeenAlive);
    switch (seen?.type) {
      case undefined:
        return undefined;
      case "ended":
        return seen.status;
      case "starting":
        return RUNNING;
      case "running": {
        const { script, directory, reason } = seen;
        const { pid, startTicks } = script;
        const found = { ...USUAL, tag, pid, directory, startTicks };
        const attempt = add(found, table.ageMs(script));
        if (reason === undefined) {
          poll();
        } else {
          // An earlier daemon was about to end it.
          endInBackground(attempt, reason);
        }
        return RUNNING;
      }
      case "abandoned": {
        const { pid, directory, reason, isInterrupted } = seen;
        const isGroupOurs = pid === pidSeenAlive;
        const found = { ...USUAL, tag, pid, directory, isGroupOurs, isLost: true, isInterrupted };
        endInBackground(add(found, 0), reason);
        return RUNNING;
      }
      default:
        return assertNever(seen);
    }
  }

  function poll(): void {
    stopPoll ??= clock.after(POLL_MS, () => {
      stopPoll = undefined;
      for (const attempt of [...attempts.values()]) {
        look(attempt, () => noticeEnd(attempt));
      }
      if ([...attempts.values()].some(isAdopted)) {
        poll();
      }
    });
  }

  function noticeEnd(attempt: Attempt): void {
    if (isAdopted(attempt) && table.read(attempt.pid)?.startTicks !== attempt.startTicks) {
      reconsider(attempt);
    }
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
      if (attempts.get(attempt.tag) === attempt) {
        logger.error("Could not end a command", { tag: attempt.tag, reason: messageOf(error) });
        attempt.stopDeadline = clock.after(END_AGAIN_MS, () => endInBackground(attempt, reason));
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
    const outcome = outcomeOf(returnCode, record?.reason ?? reason);
    const isInterrupted = attempt.isInterrupted && returnCode === undefined;
    conclude(attempt, { type: "ended", outcome, ...(isInterrupted ? { isInterrupted } : {}) });
  }

  function endAll(tag: string, groupId: number | undefined, isGroupOurs: boolean): Promise<LastSignal> {
    const ending = endProcesses({
      table,
      clock,
      tag,
      groupId,
      isGroupOurs,
      graceMs: options.killGraceMs,
      killTogether: () => options.cgroups?.kill(tag),
      onStuck: (pids) => logger.warn("Processes of a command do not end", { tag, pids }),
    });
    endings.set(tag, ending);
    return ending.done.finally(() => endings.delete(tag));
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
      const attempt = add({ ...USUAL, tag, pid: child.pid, directory, isChild: true }, 0);
      void child.ended.then((end) => look(attempt, () => onEnd(attempt, end)));
      children.watch(attempt);
    },
    inspect(tag) {
      const attempt = attempts.get(tag);
      if (attempt !== undefined) {
        noticeEnd(attempt);
      }
      return attempts.has(tag) ? RUNNING : inspect(tag);
    },
    async end(tag) {
      const status = attempts.has(tag) ? undefined : inspect(tag);
      const attempt = attempts.get(tag);
      if (attempt !== undefined) {
        await beginEnding(attempt);
      } else {
        // Nothing of it should be there but what it left in the background.
        const groupId = status === undefined ? undefined : files.read(tag)?.claim?.pid;
        await (endings.get(tag)?.done ?? endAll(tag, groupId, false));
      }
    },
    close() {
      isClosed = true;
      stopPoll?.();
      children.close();
      for (const attempt of attempts.values()) {
        attempt.stopDeadline();
      }
      attempts.clear();
      for (const ending of endings.values()) {
        ending.abandon(new SchedulerUnavailableError("The scheduler was closed while a command was being ended"));
      }
    },
  };
}

function isAdopted(attempt: Attempt): boolean {
  return !attempt.isChild && attempt.ending === undefined;
}
