import type { JobId } from "../core/ids.ts";
import type { ProbeFinding } from "./probe.ts";

/** Some bytes of a file. */
export interface FilePart {
  /** Where they begin in the file. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

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
  /**
   * Merges what the job left in `remote` into the local directory.
   *
   * @param attempt number of the attempt whose output counts; default: the first
   */
  download(remote: string, localDirectory: string, signal: AbortSignal, attempt?: number): Promise<void>;
  /** Removes `remote` with all below; an absent one is a no-op. */
  remove(remote: string, signal: AbortSignal): Promise<void>;
  /**
   * For logs of running jobs, where they are not written to the local directory: reads a part of a file in `remote`.
   * Bounded, and nothing is left open in between.
   *
   * @param fileName without directories
   * @param fromByte where to begin; a negative one counts from the end, and never goes before the beginning
   * @returns undefined when there is no such file yet; no bytes at or behind its end
   */
  readFrom?(
    remote: string,
    fileName: string,
    fromByte: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<FilePart | undefined>;
  /**
   * For admins, where a file cannot be sent and read by the other methods alone: sends a small file and fetches it.
   * Does not throw; what fails is a finding.
   */
  probe?(signal: AbortSignal): Promise<ProbeFinding>;
  /** Lets go of connections. Idempotent. */
  close(): Promise<void>;
}
