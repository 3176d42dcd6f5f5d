import type { AttemptTag } from "../core/ids.ts";
import type { SchedulerStatus } from "../core/job.ts";
import type { FilePart } from "./file_system.ts";
import type { JobDescription } from "./scheduler.ts";

/** How an attempt ended. */
export type AttemptEnd = Extract<SchedulerStatus, { readonly type: "ended" }>;

/** An attempt that is ours: nobody else starts it. */
export interface OwnAttempt {
  readonly tag: AttemptTag;
  readonly job: JobDescription;
}

/** An attempt that is said to be ours. */
export interface ResumedAttempt extends OwnAttempt {
  /**
   * False when the server was restarted since it was begun. Then it may have forgotten that the attempt has ended, so that
   * its command must not be started without proof that it was not.
   */
  readonly isCertain: boolean;
}

/** What others may know about this performer. */
export interface Presence {
  /** Jobs that it has at the moment. */
  readonly running: number;
  /** True when it takes no more jobs. */
  readonly isDraining: boolean;
}

/** What became of the attempts that a performer has. */
export interface Renewal {
  /** Somebody wants them ended. */
  readonly cancelled: readonly AttemptTag[];
  /** They are no longer ours: nothing of them may run any more, and nobody wants to hear of them. */
  readonly lost: readonly AttemptTag[];
  /** Ours as well, but not among those that we said we have: the answer that brought one may not have arrived. */
  readonly unclaimed: readonly AttemptTag[];
}

/** Reads a part of a log, see {@link FileSystem.readFrom}; undefined when the attempt or the file is not here. */
export type LogReading = (
  tag: AttemptTag,
  fileName: string,
  fromByte: number,
  maxBytes: number,
) => Promise<FilePart | undefined>;

/** The queue was not running or refused every change, so that nobody else can have been told anything either. */
export class QueueDownError extends Error {
  override readonly name = "QueueDownError";
  /** When that was certain, on the monotonic clock. */
  readonly atMs: number;

  constructor(atMs: number, cause: unknown) {
    super("Redis is not running, or takes no changes", { cause });
    this.atMs = atMs;
  }
}

/**
 * The queue of a destination as one performer sees it.
 *
 * A performer has a lease on its attempts, renewed together. When it runs out, they count as lost with the performer,
 * so by then nothing of them may be left running.
 *
 * Every method rejects when no definite answer could be had, and may be called again with the same arguments.
 */
export interface AttemptQueue {
  /** For how long a renewal is good, in milliseconds, counted from when it was asked for. */
  readonly leaseMs: number;
  /**
   * Waits a few seconds for an attempt and makes it ours. Needs a lease.
   *
   * @param mayBegin asked at the last moment; an attempt that came too late is left to others
   * @param wantsMore true when the next one is asked for as soon as there is an answer
   * @returns undefined when there was none
   */
  take(mayBegin: () => boolean, wantsMore: boolean, signal: AbortSignal): Promise<OwnAttempt | undefined>;
  /** The attempts that are ours: what an earlier life of this performer has left, and what this one has. */
  resume(signal: AbortSignal): Promise<readonly ResumedAttempt[]>;
  /** Says that the command has been started. */
  running(tag: AttemptTag, signal: AbortSignal): Promise<void>;
  /** Hands over how an attempt ended; it is ours no longer. Of one that somebody else has nothing is told. */
  ended(tag: AttemptTag, end: AttemptEnd, signal: AbortSignal): Promise<void>;
  /**
   * Renews the lease, and says which attempts we have, also to a server that has lost its memory.
   *
   * @param isUnbroken the lease has never been over since the attempts are ours
   * @throws {QueueDownError} when the server is not running
   */
  renew(held: readonly OwnAttempt[], presence: Presence, isUnbroken: boolean, signal: AbortSignal): Promise<Renewal>;
  /** Calls `listener` when the link was lost and is there again: the server may be another one. @returns ends that */
  onConnected(listener: () => void): () => void;
  /** Calls `listener` as soon as somebody wants an attempt ended, unless the link is down. @returns ends that */
  onCancel(listener: (tag: AttemptTag) => void): () => void;
  /** Lets `read` answer those who follow the log of an attempt that runs here. @returns ends that */
  onLogAsked(read: LogReading): () => void;
  /** Leaves to others what was brought beforehand, when no more is going to be taken. */
  release(): void;
  /** Gives the lease back, when no attempt is left. */
  leave(): Promise<void>;
  /** Lets go of connections. Idempotent. */
  close(): Promise<void>;
}
