import type { JobId } from "../core/ids.ts";

/**
 * Where a destination keeps the directories of its jobs.
 *
 * Every method may be repeated after a fault or a crash, and throws {@link TransferError}.
 */
export interface FileSystem {
  /** False when the scheduler sees the local job directory itself, so that nothing has to be moved. */
  readonly isStaged: boolean;
  /** The directory of a job in the scheduler's terms. Pure. */
  locate(id: JobId, localDirectory: string): string;
  /** Copies the local directory to `remote`. Complete or not there: a broken transfer is never taken for a whole one. */
  upload(localDirectory: string, remote: string, signal: AbortSignal): Promise<void>;
  /** Merges what the job left in `remote` into the local directory. */
  download(remote: string, localDirectory: string, signal: AbortSignal): Promise<void>;
  /** Removes `remote` with all below; an absent one is a no-op. */
  remove(remote: string, signal: AbortSignal): Promise<void>;
  /** Lets go of connections. Idempotent. */
  close(): Promise<void>;
}
