import type { AttemptTag } from "../core/ids.ts";

/** What a performer on another machine has of the files of an attempt. */
export interface WorkingCopy {
  readonly tag: AttemptTag;
  /** The directory of the job in the terms of the file system, as {@link FileSystem.locate} names it. */
  readonly remote: string;
  /** Where the command runs; absolute, there from the beginning of {@link PerformerFileSystem.fetch} on. */
  readonly directory: string;
  /** Private directory on the same disk, kept until the attempt is over, for whatever has to be remembered. */
  readonly scratchDir: string;
}

/**
 * The far side of a {@link FileSystem}: how a performer comes to the files that the daemon has brought there, and hands
 * over what the command has left.
 *
 * Every method may be repeated after a fault or a crash, and throws {@link TransferError}.
 */
export interface PerformerFileSystem {
  /**
   * Decides that the command runs in `remote` itself, where that is a directory of this machine and proven to be the one
   * that the daemon has filled.
   *
   * @returns false when it has to be fetched
   */
  takeInPlace(copy: Pick<WorkingCopy, "tag" | "remote">, signal: AbortSignal): Promise<boolean>;
  /** Brings what the daemon has uploaded. When it fails, `directory` may hold a part of it. */
  fetch(copy: WorkingCopy, signal: AbortSignal): Promise<void>;
  /**
   * Hands over what the command has made or changed, so that {@link FileSystem.download} brings that to the daemon: all
   * of it or nothing, and in the place of what earlier attempts of the job have handed over.
   */
  send(copy: WorkingCopy, signal: AbortSignal): Promise<void>;
  /** Lets go of connections. Idempotent. */
  close(): Promise<void>;
}
