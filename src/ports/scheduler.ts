import type { AttemptTag, SchedulerJobId } from "../core/ids.ts";
import type { SchedulerStatus } from "../core/job.ts";
import type { JobResources } from "../core/job_resources.ts";
import type { FilePart } from "./file_system.ts";
import type { ProbeFinding } from "./probe.ts";

/** What a scheduler has to run. */
export interface JobDescription {
  /** Working directory in the terms of the machine that runs the command. */
  readonly directory: string;
  /** Line for `/bin/sh -c`; may have several lines. */
  readonly command: string;
  readonly application: string;
  readonly submitter: string;
  /** For schedulers that hand out resources. */
  readonly resources: JobResources;
}

/** A performer, which takes jobs of a scheduler, as it tells about itself. */
export interface PerformerPresence {
  /** Unique among those of its scheduler. */
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  /** Version of Bartender. */
  readonly release: string;
  /** Milliseconds since 1970, by its own clock. */
  readonly sinceMs: number;
  readonly capacity: number;
  /** How many attempts it has. */
  readonly running: number;
  /** Which these are; those of other daemons count as well. */
  readonly tags: readonly AttemptTag[];
  /** True when it takes no more jobs. */
  readonly isDraining: boolean;
  /** How long it has not been heard of; null when that is no longer than usual. */
  readonly silentForMs: number | null;
}

/** Nobody answers. */
export interface Absence {
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** Told about a change of one job, as soon as the scheduler knows. */
export type StatusListener = (id: SchedulerJobId, status: SchedulerStatus) => void;

/**
 * Runs commands somewhere.
 *
 * In the job's directory it leaves `stdout.txt`, `stderr.txt` (created at start, filled while running) and
 * `returncode` (decimal exit status without newline; negative when ended by that signal).
 *
 * A job whose command was lost without its own or our doing has `ended` with `isInterrupted`, once nothing of it is left.
 *
 * Every method throws {@link SchedulerUnavailableError} when no definite answer could be had, and any method
 * may be called again with the same arguments.
 */
export interface Scheduler {
  /** How many jobs may be with the scheduler at a time; the destination keeps the rest. */
  readonly capacity: number;
  /**
   * Hands a job over. Idempotent on `tag`: when the scheduler has it already, its id is returned and nothing
   * is started.
   *
   * @throws {SchedulerRefusedError} when the scheduler definitely does not want the job
   */
  submit(job: JobDescription, tag: AttemptTag, signal: AbortSignal): Promise<SchedulerJobId>;
  /** @returns the id under which the scheduler knows `tag`, or undefined when it definitely does not. */
  find(tag: AttemptTag, signal: AbortSignal): Promise<SchedulerJobId | undefined>;
  /**
   * Answers which of `ids` the scheduler still knows, with one call for all of them.
   *
   * @returns a map without the ids that the scheduler does not know; their jobs keep their last state
   */
  statuses(ids: readonly SchedulerJobId[], signal: AbortSignal): Promise<ReadonlyMap<SchedulerJobId, SchedulerStatus>>;
  /**
   * Ends a job and resolves when nothing of it is left running. An unknown or finished id is a no-op.
   */
  cancel(id: SchedulerJobId, signal: AbortSignal): Promise<void>;
  /**
   * Tells that the end of the job is saved and nobody will ask for it again, so that what the scheduler keeps about
   * it can go. An unknown or running id is a no-op; so is leaving the call out, but for the space.
   */
  forget?(id: SchedulerJobId): Promise<void>;
  /** For schedulers that can push: calls `listener` on every change. @returns a function that ends it. */
  listen?(listener: StatusListener): () => void;
  /**
   * For logs of running jobs, where only the machine that runs the command has them, see {@link FileSystem.readFrom}.
   *
   * @returns undefined when that machine does not answer, or has no such file yet; they may be where the file system says
   */
  readFrom?(
    id: SchedulerJobId,
    fileName: string,
    fromByte: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<FilePart | undefined>;
  /** Defined while it is known, without a question, that nobody answers. Left out where only a question can tell. */
  absence?(): Absence | undefined;
  /** Calls `listener` whenever an {@link absence} is over, so that nobody waits any longer. @returns a function that ends it */
  onReturn?(listener: () => void): () => void;
  /** For admins: tries what jobs will need, without running one. Does not throw; what fails is a finding. */
  probe?(signal: AbortSignal): Promise<readonly ProbeFinding[]>;
  /** For schedulers whose jobs are run by performers: those that are there at this moment. */
  performers?(signal: AbortSignal): Promise<readonly PerformerPresence[]>;
  /** Lets go of connections and timers; running jobs are left alone. Idempotent. */
  close(): Promise<void>;
}
