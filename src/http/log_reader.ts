import { messageOf } from "../core/errors.ts";
import type { Job } from "../core/job.ts";
import type { LogName, RemoteLog } from "../ports/job_service.ts";
import type { EdgeDeps } from "./edge.ts";
import { type JobFile, openJobFile } from "./job_files.ts";

/** A log that grows. */
export interface LogReader {
  /** True when the log is in another place as soon as the command has ended. */
  readonly isPassing: boolean;
  /** How often to look when nothing has come, in milliseconds. */
  readonly lookMs: number;
  /** What is there from a byte on, or the beginning of it; empty or undefined when there is nothing. */
  read(position: number): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

/** What reading logs needs from the rest of the daemon. */
export type LogDeps = Pick<EdgeDeps, "jobs" | "clock" | "logger">;

const PIECE_BYTES = 65_535;

/** A file costs next to nothing, another host a channel of its connection. */
const FILE_LOOK_MS = 250;
const REMOTE_LOOK_MS = 2_000;

/** How much of the end of a log on another host is looked through for its last lines. */
const REMOTE_TAIL_BYTES = 1_000_000;

/** How long another host may take for a part of a log. */
const REMOTE_PATIENCE_MS = 10_000;

const NEWLINE = 0x0a;

/** Opens a log where it is while its job is as given; undefined when there is none. */
export async function openLog(deps: LogDeps, job: Job, name: LogName): Promise<LogReader | undefined> {
  const file = await openJobFile(deps.jobs.jobRootDir, job.id, name);
  if (file !== undefined) return fileReader(file);
  const remote = deps.jobs.remoteLog(job);
  return remote === undefined ? undefined : remoteReader(deps, job, remote, name);
}

/** The last lines of a log on another host, as far as they are near its end; empty when there is none yet. */
export async function remoteTail(
  deps: LogDeps,
  remote: RemoteLog,
  name: LogName,
  lines: number,
): Promise<{ readonly start: number; readonly bytes: Uint8Array }> {
  const part = await patiently(deps, (signal) => remote.read(name, -REMOTE_TAIL_BYTES, REMOTE_TAIL_BYTES, signal));
  if (part === undefined) return { start: 0, bytes: new Uint8Array(0) };
  const { bytes, start } = part;
  let missing = lines;
  for (let at = bytes.length - 2; at >= 0; at--) {
    if (bytes[at] !== NEWLINE) continue;
    missing -= 1;
    if (missing === 0) return { start: start + at + 1, bytes: bytes.subarray(at + 1) };
  }
  return part;
}

function fileReader({ handle }: JobFile): LogReader {
  return {
    isPassing: false,
    lookMs: FILE_LOOK_MS,
    async read(position) {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES, position);
      return buffer.subarray(0, bytesRead);
    },
    close: () => handle.close(),
  };
}

function remoteReader(deps: LogDeps, { id }: Job, remote: RemoteLog, name: LogName): LogReader {
  return {
    isPassing: true,
    lookMs: REMOTE_LOOK_MS,
    async read(position) {
      try {
        const part = await patiently(deps, (signal) => remote.read(name, position, PIECE_BYTES, signal));
        return part?.bytes;
      } catch (error) {
        // A host that is away for a while says nothing about the log; it is looked at again.
        deps.logger.debug("A log on another host could not be read", { job: id, reason: messageOf(error) });
        return undefined;
      }
    },
    async close() {},
  };
}

/** A host that does not answer must not hold a request for ever. */
async function patiently<T>({ clock }: LogDeps, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const stop = clock.after(REMOTE_PATIENCE_MS, () => abort.abort(new Error("The host does not answer")));
  try {
    return await read(abort.signal);
  } finally {
    stop();
  }
}
