import { type AttemptTag, attemptTag, jobId, type SchedulerJobId } from "../../src/core/ids.ts";
import type { Outcome } from "../../src/core/job.ts";
import type { JobDescription, Scheduler } from "../../src/ports/scheduler.ts";
import { eventually } from "../support/eventually.ts";

/** A scheduler with a place for its jobs, made for one test. */
export interface SchedulerWorld extends AsyncDisposable {
  readonly scheduler: Scheduler;
  /** The scheduler as a new daemon would see it; the old object is closed before. */
  reopen(): Promise<Scheduler>;
  /** A fresh empty directory in the terms of the machine that runs the commands. */
  makeDirectory(): Promise<string>;
  /** @returns undefined when there is no such file */
  read(directory: string, name: string): Promise<string | undefined>;
  write(directory: string, name: string, text: string): Promise<void>;
  /** True when the process, numbered as the command saw it, runs; a zombie does not. */
  isAlive(pid: number): Promise<boolean>;
}

/** How a scheduler may differ from the others. */
export interface SchedulerTraits {
  /** A job that may start is running after this time. */
  readonly startsWithinMs: number;
  /** Sentences that it cannot keep, each with the reason. */
  readonly waivers: Readonly<Record<string, string>>;
  /** True when its worlds can be used at the same time, for schedulers that take a while to start a job. Default: false. */
  readonly isConcurrent?: boolean;
}

/** Names one promise of the port and keeps it, unless it is waived. */
export type Says = (sentence: string, keep: (world: SchedulerWorld) => Promise<void>) => void;

/** The start and the end of a job may take this long on a grid whose machine has much else to do. */
export const PATIENCE_MS = 900_000;

/** For calls that nobody calls off. */
export const signal = new AbortController().signal;
let lastJob = 0;

/** A tag that no other test uses, not even in another run against the same scheduler. */
export function freshTag(): AttemptTag {
  lastJob++;
  return attemptTag(`t${process.pid}x${Date.now().toString(36)}`, jobId(lastJob), 1);
}

export function jobIn(directory: string, command: string): JobDescription {
  return { directory, command, application: "conformance", submitter: "somebody", resources: {} };
}

/** Waits until the scheduler says that the job has ended. */
export function untilEnded(scheduler: Scheduler, id: SchedulerJobId, withinMs = PATIENCE_MS): Promise<Outcome> {
  return eventually(
    `the end of ${id}`,
    async () => {
      const status = (await scheduler.statuses([id], signal)).get(id);
      return status?.type === "ended" && status.outcome;
    },
    withinMs,
  );
}

/** Waits for a complete line of numbers that a command wrote to `file`, e.g. of its processes. */
export function pidsIn(world: SchedulerWorld, directory: string, file: string, count = 1): Promise<number[]> {
  return eventually(
    `${count} numbers in ${file}`,
    async () => {
      const lines = (await world.read(directory, file))?.split("\n").slice(0, -1) ?? [];
      return lines.length >= count && lines.map(Number);
    },
    PATIENCE_MS,
  );
}

/** Submits `command` to a fresh directory and waits for its end. */
export async function run(world: SchedulerWorld, command: string) {
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
  const outcome = await untilEnded(world.scheduler, id);
  return { id, directory, outcome, returnCode: await world.read(directory, "returncode") };
}

/**
 * A command that ends when somebody ends it. It begins nothing meanwhile: DIRAC stops all processes of a job to kill them, and
 * gives up, for ever, when one has ended before it is stopped.
 */
export const ENDLESS = "echo $$ >>pids; exec sleep 1000";

/** The same with a child; both ignore SIGTERM, and both write their number to `pids`. */
export const STUBBORN = `trap '' TERM; sh -c '${ENDLESS}' & ${ENDLESS}`;

/** A command that ends well when the file `go` is there. */
export const WAITS_FOR_GO = "echo $$ >>pids; until [ -e go ]; do sleep 0.02; done";
