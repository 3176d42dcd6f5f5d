import type { AttemptTag } from "../core/ids.ts";
import type { OwnAttempt } from "./attempt_queue.ts";
import type { FilePart } from "./file_system.ts";

/**
 * Where the commands of a performer find the files of their jobs, and where what they leave goes.
 *
 * Every method may be repeated after a fault or a crash; what was decided for an attempt holds in every life of the
 * performer. Methods throw {@link TransferError}.
 */
export interface Workplace {
  /** False when the command runs in the directory that the job names, and nothing ever has to be moved. */
  readonly isStaged: boolean;
  /** Sees to it that the input is here. @returns the directory for the command; absolute */
  prepare(attempt: OwnAttempt, signal: AbortSignal): Promise<string>;
  /** Hands over what the command has left. When it resolves, all of it is where the daemon will look for it. */
  deliver(attempt: OwnAttempt, signal: AbortSignal): Promise<void>;
  /** Removes what is here of an attempt. */
  discard(tag: AttemptTag): Promise<void>;
  /** The attempts of which something is here. */
  tags(): readonly AttemptTag[];
  /**
   * Reads a part of a file in the directory of an attempt, see {@link FileSystem.readFrom}.
   *
   * @returns undefined when there is no such file, or the attempt has no directory here
   */
  readFrom(attempt: OwnAttempt, fileName: string, fromByte: number, maxBytes: number): Promise<FilePart | undefined>;
  /** Lets go of connections. Idempotent. */
  close(): Promise<void>;
}
