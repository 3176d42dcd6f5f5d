import type { Job } from "../core/job.ts";
import { publicState } from "../core/job.ts";
import { openJobFile } from "../http/job_files.ts";
import { type LogDeps, openLog, remoteTail } from "../http/log_reader.ts";
import { startOfLastLines } from "../http/log_tail.ts";
import { Refusal } from "../http/refusal.ts";
import type { LogName } from "../ports/job_service.ts";
import { readNumber } from "./job_query.ts";

/** Where the next part of the log begins, in bytes. */
const NEXT_HEADER = "x-next-byte";
/** State of the job before the log was read: when that is its end, nothing follows what is there. */
const STATE_HEADER = "x-job-state";

const MAX_LINES = 100_000;

/**
 * A part of what the command of a job prints, as plain bytes.
 *
 * @param query `stream` is `stdout` (default) or `stderr`; `from` a byte to begin with, else the last `lines` lines
 */
export async function readLog(
  deps: LogDeps,
  job: Job,
  { stream = "stdout", from, lines = "20" }: Readonly<Record<string, string>>,
): Promise<Response> {
  if (stream !== "stdout" && stream !== "stderr") {
    throw new Refusal(422, `stream: expected stdout or stderr, got ${JSON.stringify(stream)}`);
  }
  const name: LogName = `${stream}.txt`;
  const state = publicState(job.progress);
  const part =
    from === undefined
      ? await lastLines(deps, job, name, readNumber("lines", lines, 1, MAX_LINES))
      : await partFrom(deps, job, name, readNumber("from", from, 0, Number.MAX_SAFE_INTEGER));
  const next = String(part.start + part.bytes.length);
  const headers = { "content-type": "text/plain", [NEXT_HEADER]: next, [STATE_HEADER]: state };
  return new Response(part.bytes as Uint8Array<ArrayBuffer>, { headers });
}

interface Part {
  readonly start: number;
  readonly bytes: Uint8Array;
}

async function lastLines(deps: LogDeps, job: Job, name: LogName, lines: number): Promise<Part> {
  const file = await openJobFile(deps.jobs.jobRootDir, job.id, name);
  if (file === undefined) {
    const remote = deps.jobs.remoteLog(job);
    return remote === undefined ? NOTHING : await remoteTail(deps, remote, name, lines);
  }
  try {
    const start = await startOfLastLines(file, lines);
    const bytes = new Uint8Array(Math.min(file.size - start, MAX_TAIL_BYTES));
    const { bytesRead } = await file.handle.read(bytes, 0, bytes.length, file.size - bytes.length);
    return { start: file.size - bytes.length, bytes: bytes.subarray(0, bytesRead) };
  } finally {
    await file.handle.close();
  }
}

const NOTHING: Part = { start: 0, bytes: new Uint8Array(0) };

const MAX_TAIL_BYTES = 1_000_000;

async function partFrom(deps: LogDeps, job: Job, name: LogName, start: number): Promise<Part> {
  const log = await openLog(deps, job, name);
  if (log === undefined) return { ...NOTHING, start };
  try {
    return { start, bytes: (await log.read(start)) ?? NOTHING.bytes };
  } finally {
    await log.close();
  }
}
