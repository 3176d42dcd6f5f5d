import type { JobId } from "./ids.ts";

/** The files that a job was given, as they were before anything could change them. */
export interface JobInput {
  /** Of the names and sizes of all files. */
  readonly digest: string;
  /** No earlier than the last change of any of them, by the clock of the file system; milliseconds since 1970. */
  readonly sealedOnMs: number;
}

/** Where a job comes from; never changes. */
export interface JobOrigin {
  /** Names the request that it came with, in log lines: `requestId`, `trace_id`. */
  readonly trace: Readonly<Record<string, string>>;
  /** Null when it was not noted, as for jobs of earlier versions. */
  readonly input: JobInput | null;
  /** The failed job in whose place it was submitted again; that one may be gone. */
  readonly retryOf: JobId | null;
}

/** Of jobs whose origin was not noted. */
export const UNKNOWN_ORIGIN: JobOrigin = { trace: {}, input: null, retryOf: null };
