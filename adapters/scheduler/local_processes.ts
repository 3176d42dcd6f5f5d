import { BartenderError, messageOf, SchedulerRefusedError, SchedulerUnavailableError } from "../../src/core/errors.ts";
import type { AttemptTag, SchedulerJobId } from "../../src/core/ids.ts";
import type { SchedulerStatus } from "../../src/core/job.ts";
import { type Sandbox, sandboxWords } from "../../src/core/sandbox.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { JobDescription, Scheduler, StatusListener } from "../../src/ports/scheduler.ts";
import type { AttemptCgroups } from "./attempt_cgroups.ts";
import { attemptFiles } from "./attempt_files.ts";
import { type AttemptId, idOfAttempt, isTag, parseAttemptId } from "./attempt_id.ts";
import { attemptWatcher } from "./attempt_watcher.ts";
import { checkJob, startFailure } from "./check_job.ts";
import { REBOOTED } from "./examine_attempt.ts";
import { outcomeOf } from "./outcome_of.ts";
import { ATTEMPT_VARIABLE, type ProcessTable, processTable } from "./process_table.ts";
import { LONGEST_ARGUMENT_BYTES, runArguments } from "./run_script.ts";
import { type Program, type Spawner, spawnerThread } from "./spawner.ts";

/** What every scheduler needs whose commands are processes of this machine. */
export interface LocalProcessOptions {
  /** Private directory for the records of attempts; absolute, on a disk that outlives the daemon. */
  readonly controlDir: string;
  /** The whole environment of the commands, but for the mark of their attempt. */
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A command that runs longer is ended. Default: never. */
  readonly timeoutS?: number;
  /** Time between SIGTERM and SIGKILL. Default: 5 s. */
  readonly killGraceMs?: number;
  /** Default: the processes of this machine. */
  readonly table?: ProcessTable;
  /** Default: attempts have no control groups; their processes are found by their mark. */
  readonly cgroups?: AttemptCgroups | undefined;
  /** Default: none. */
  readonly sandbox?: Sandbox | undefined;
  /** Closed with the scheduler. Default: a thread of its own. */
  readonly spawner?: Spawner;
}

/** A scheduler that leaves open when a job may start and how many may run. */
export interface LocalProcesses
  extends Pick<Required<Scheduler>, "find" | "statuses" | "cancel" | "forget" | "listen" | "close"> {
  /** {@link Scheduler.submit}, at once. */
  start: Scheduler["submit"];
}

const DEFAULT_GRACE_MS = 5000;

/**
 * Commands as processes of this machine, each in a session of its own, that live on when the daemon ends.
 *
 * A job has ended when its command has; what the command left in the background is let alone until `cancel`, which
 * ends that too. About an id of ours there is always a definite answer.
 */
export function localProcesses(options: LocalProcessOptions): LocalProcesses {
  const { cgroups, sandbox = [] } = options;
  const table = options.table ?? processTable("/proc", cgroups);
  const files = attemptFiles(options.controlDir);
  const spawner = options.spawner ?? spawnerThread(options.logger);
  const listeners = new Set<StatusListener>();
  /** Attempts whose script is on its way. */
  const starting = new Map<string, Promise<SchedulerJobId>>();
  let isClosed = false;

  const idOf = (tag: string): SchedulerJobId => idOfAttempt(tag, table.bootId);
  const tell = (id: SchedulerJobId, status: SchedulerStatus): void => {
    for (const listener of listeners) {
      listener(id, status);
    }
  };
  const watcher = attemptWatcher({
    files,
    table,
    cgroups,
    clock: options.clock,
    logger: options.logger,
    timeoutS: options.timeoutS,
    killGraceMs: options.killGraceMs ?? DEFAULT_GRACE_MS,
    onEnded: (tag, status) => tell(idOf(tag), status),
  });

  function lookUp(tag: AttemptTag): SchedulerJobId | undefined {
    if (watcher.isWatched(tag)) {
      return idOf(tag);
    }
    const record = files.read(tag);
    return record === undefined ? undefined : idOfAttempt(tag, record.claim?.bootId ?? table.bootId);
  }

  function statusOf(id: SchedulerJobId): SchedulerStatus | undefined {
    const attempt = parseAttemptId(id);
    if (attempt === undefined) {
      return undefined;
    }
    return starting.has(attempt.tag)
      ? { type: "running" }
      : (watcher.inspect(attempt.tag) ?? statusWithoutRecord(attempt));
  }

  /** The record may not be there yet, or not any more: after a power cut, or taken away by a cleaner of old files. */
  function statusWithoutRecord({ tag, bootId }: AttemptId): SchedulerStatus {
    if (bootId !== table.bootId) {
      return { type: "ended", outcome: outcomeOf(undefined, REBOOTED), isInterrupted: true };
    }
    if (!files.areReachable()) {
      throw new SchedulerUnavailableError(`The directory of records is gone: ${options.controlDir}`);
    }
    if (table.isAnyLiving(undefined, false, tag)) {
      return { type: "running" };
    }
    const reason = "The command was interrupted: its process and its record are gone";
    return watcher.inspect(tag) ?? { type: "ended", outcome: outcomeOf(undefined, reason), isInterrupted: true };
  }

  /** Runs `look` while open; what goes wrong with the files or processes is no statement about a job. */
  async function definitely<T>(signal: AbortSignal, look: () => T | Promise<T>): Promise<T> {
    if (isClosed) {
      throw closedError();
    }
    if (signal.aborted) {
      throw new SchedulerUnavailableError("The call was called off");
    }
    try {
      return await look();
    } catch (error) {
      throw error instanceof BartenderError
        ? error
        : new SchedulerUnavailableError(`Cannot look after the processes: ${messageOf(error)}`, error);
    }
  }

  function start(job: JobDescription, tag: AttemptTag): Promise<SchedulerJobId> {
    const underWay = starting.get(tag);
    if (underWay !== undefined) {
      return underWay;
    }
    // No pause between this look and the note of what is on its way, or a second call would start a second script.
    const begun = startUnlessKnown(job, tag).finally(() => starting.delete(tag));
    starting.set(tag, begun);
    return begun;
  }

  async function startUnlessKnown(job: JobDescription, tag: AttemptTag): Promise<SchedulerJobId> {
    checkJob(job, tag);
    const known = lookUp(tag);
    if (known !== undefined) {
      return known;
    }
    const program = scriptOf(job, tag);
    const child = await spawner.spawn(program).catch((error: unknown) => {
      throw startFailure(error);
    });
    if (isClosed) {
      // It runs; the next daemon finds it by its tag.
      throw closedError();
    }
    watcher.watch(tag, job.directory, child);
    setImmediate(() => {
      // Not before the caller has the id, and not after the end.
      if (watcher.isWatched(tag)) {
        tell(idOf(tag), { type: "running" });
      }
    });
    return idOf(tag);
  }

  function scriptOf(job: JobDescription, tag: AttemptTag): Program {
    const isLong = Buffer.byteLength(job.command) > LONGEST_ARGUMENT_BYTES;
    if (isLong && sandbox.length > 0) {
      throw new SchedulerRefusedError(`command: longer than ${LONGEST_ARGUMENT_BYTES} bytes, too long for a sandbox`);
    }
    const scriptPath = isLong ? files.writeScript(tag, job.command) : undefined;
    const head = files.headOf(table.bootId, job.directory);
    const prefix = sandboxWords(sandbox, { directory: job.directory });
    const groupFile = cgroups?.make(tag);
    return {
      path: "/bin/sh",
      args: runArguments(files.pathOf(tag), head, job.command, scriptPath, groupFile, prefix),
      directory: job.directory,
      environment: { ...options.environment, [ATTEMPT_VARIABLE]: tag },
    };
  }

  /** Resolves when it is known what became of a start that is on its way, however that went. */
  async function untilStarted(tag: string): Promise<void> {
    await starting.get(tag)?.then(ignore, ignore);
  }

  function endOnceStarted(tag: string): Promise<void> {
    return starting.has(tag)
      ? untilStarted(tag).then(() => (isClosed ? Promise.reject(closedError()) : watcher.end(tag)))
      : watcher.end(tag);
  }

  return {
    start: (job, tag, signal) => definitely(signal, () => unlessAborted(signal, start(job, tag), STARTING)),
    find: (tag, signal) =>
      definitely(signal, async () => {
        if (!isTag(tag)) {
          return undefined;
        }
        await unlessAborted(signal, untilStarted(tag), STARTING);
        // A script that was started just before an earlier daemon was killed may still be on its way to its record.
        return lookUp(tag) ?? (table.isAnyLiving(undefined, false, tag) ? idOf(tag) : lookUp(tag));
      }),
    statuses: (ids, signal) =>
      definitely(signal, () => {
        const known = new Map<SchedulerJobId, SchedulerStatus>();
        for (const id of ids) {
          const status = statusOf(id);
          if (status !== undefined) {
            known.set(id, status);
          }
        }
        return known;
      }),
    cancel: (id, signal) =>
      definitely(signal, async () => {
        const attempt = parseAttemptId(id);
        if (attempt !== undefined) {
          await unlessAborted(signal, endOnceStarted(attempt.tag), ENDING);
        }
      }),
    async forget(id) {
      const attempt = parseAttemptId(id);
      if (attempt !== undefined && !watcher.isWatched(attempt.tag) && !starting.has(attempt.tag)) {
        files.remove(attempt.tag);
        cgroups?.remove(attempt.tag);
      }
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      isClosed = true;
      listeners.clear();
      watcher.close();
      spawner.close();
    },
  };
}

const STARTING = "The command is still being started";
const ENDING = "The command is still being ended";

const ignore = (): void => undefined;

const closedError = (): SchedulerUnavailableError => new SchedulerUnavailableError("The scheduler is closed");

/** The work goes on, but nobody waits for it any more. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>, reason: string): Promise<T> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(new SchedulerUnavailableError(reason, signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
