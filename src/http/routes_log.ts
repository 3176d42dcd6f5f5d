import { accepts } from "hono/accepts";
import { isFinished, type Job } from "../core/job.ts";
import type { LogName } from "../ports/job_service.ts";
import { fileNotFound, notCompleted, requestedJob } from "./completed_job.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { fileAnswer } from "./file_body.ts";
import { gzipCoded } from "./gzip_coding.ts";
import { openJobFile } from "./job_files.ts";
import { liveBody } from "./live_stream.ts";
import { openLog, remoteTail } from "./log_reader.ts";
import { logPieces } from "./log_stream.ts";
import { startOfLastLines } from "./log_tail.ts";
import type { StreamPlaces } from "./stream_places.ts";

/** More lines than this are not given as a tail; the whole log may be. */
const MAX_TAIL_LINES = 10_000;

/** How long a client may take nothing before its log is given up. */
const MAX_STALL_MS = 600_000;

const NO_PART = { start: 0, bytes: new Uint8Array(0) };

const HEADERS = { "content-type": "text/plain; charset=utf-8" };

/**
 * What the command of a job prints. With `tail`, the last lines, and with `follow`, what comes until the job has ended:
 * both also while it runs.
 */
export function logRoutes(deps: EdgeDeps, places: StreamPlaces): readonly Route[] {
  const send = (fileName: LogName) => async (c: EdgeContext) => {
    const { id, job, username, parameters } = await requestedJob(c, deps, (check) => ({
      tail: check.queryPositive("tail", undefined, MAX_TAIL_LINES),
      isFollowed: check.queryBoolean("follow"),
      keepsAlive: check.queryBoolean("keep_alive"),
    }));
    const { tail, isFollowed, keepsAlive } = parameters;
    const isDone = isFinished(job);
    if (!isDone && !isFollowed && tail === undefined) throw notCompleted();
    const file = await openJobFile(deps.jobs.jobRootDir, id, fileName);
    if (file === undefined && isDone) throw fileNotFound();
    const remote = file === undefined ? deps.jobs.remoteLog(job) : undefined;
    const end = remote === undefined || tail === undefined ? NO_PART : await remoteTail(deps, remote, fileName, tail);
    let start = end.start;
    let isHandedOver = false;
    try {
      if (file !== undefined && tail !== undefined) start = await startOfLastLines(file, tail);
      if (isDone || !isFollowed) {
        if (file === undefined) return new Response(new Uint8Array(end.bytes), { headers: HEADERS });
        isHandedOver = true;
        return await fileAnswer(c, file.handle, { start, end: file.size }, { headers: HEADERS });
      }
    } finally {
      if (!isHandedOver) await file?.handle.close();
    }
    // Bun sends the headers with the first byte only, and a log has no byte to spare before its first: a coding has.
    // Only for whoever asks: web applications that pass answers on decode them, and keep the header all the same.
    const isCoded = keepsAlive && acceptsGzip(c);
    const headers = {
      ...HEADERS,
      ...(keepsAlive ? { vary: "accept-encoding" } : {}),
      ...(isCoded ? { "content-encoding": "gzip" } : {}),
    };
    if (c.req.method === "HEAD") return new Response(null, { headers });
    let current = job;
    const isAlive = async (): Promise<boolean | undefined> => {
      const answer = await lookAgain(deps, job, username);
      if (answer === "unknown") return undefined;
      current = answer ?? current;
      return answer !== undefined && !isFinished(answer);
    };
    const open = () => openLog(deps, current, fileName);
    const log = { open, isAlive, clock: deps.clock, start, tellsSilence: isCoded };
    const body = liveBody(deps, {
      jobId: id,
      release: places.take(username),
      maxStallMs: MAX_STALL_MS,
      pieces: (follower) => (isCoded ? gzipCoded(logPieces(log, follower)) : logPieces(log, follower)),
    });
    return new Response(body, { headers });
  };
  return [
    { method: "GET", path: "/api/job/:jobid/stdout", handle: send("stdout.txt") },
    { method: "GET", path: "/api/job/:jobid/stderr", handle: send("stderr.txt") },
  ];
}

function acceptsGzip(c: EdgeContext): boolean {
  return accepts(c, { header: "Accept-Encoding", supports: ["gzip", "identity"], default: "identity" }) === "gzip";
}

/** @returns undefined when the job is gone, "unknown" when the store cannot be reached, which says nothing about it */
async function lookAgain(deps: EdgeDeps, { id }: Job, username: string): Promise<Job | "unknown" | undefined> {
  try {
    return await deps.jobs.get(id, username);
  } catch (error) {
    deps.logger.warn("A followed job could not be asked for", { job: id, error });
    return "unknown";
  }
}
