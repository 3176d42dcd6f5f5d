import { isFinished, type Job } from "../core/job.ts";
import { fileNotFound, notCompleted, requestedJob } from "./completed_job.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { fileAnswer } from "./file_body.ts";
import { openJobFile } from "./job_files.ts";
import { followLog } from "./log_stream.ts";
import { startOfLastLines } from "./log_tail.ts";

/** More lines than this are not given as a tail; the whole log may be. */
const MAX_TAIL_LINES = 10_000;

const HEADERS = { "content-type": "text/plain; charset=utf-8" };

/**
 * What the command of a job prints. With `tail`, the last lines, and with `follow`, what comes until the job has ended:
 * both also while it runs.
 */
export function logRoutes(deps: EdgeDeps): readonly Route[] {
  const send = (fileName: string) => async (c: EdgeContext) => {
    const { id, job, username, parameters } = await requestedJob(c, deps, (check) => ({
      tail: check.queryPositive("tail", undefined, MAX_TAIL_LINES),
      isFollowed: check.queryBoolean("follow"),
    }));
    const { tail, isFollowed } = parameters;
    const isDone = isFinished(job);
    if (!isDone && !isFollowed && tail === undefined) throw notCompleted();
    const open = () => openJobFile(deps.jobs.jobRootDir, id, fileName);
    const file = await open();
    if (file === undefined && isDone) throw fileNotFound();
    let start = 0;
    let isHandedOver = false;
    try {
      if (file !== undefined && tail !== undefined) start = await startOfLastLines(file, tail);
      if (isDone || !isFollowed) {
        if (file === undefined) return new Response(new Uint8Array(0), { headers: HEADERS });
        isHandedOver = true;
        return await fileAnswer(c, file.handle, { start, end: file.size }, { headers: HEADERS });
      }
    } finally {
      if (!isHandedOver) await file?.handle.close();
    }
    if (c.req.method === "HEAD") return new Response(null, { headers: HEADERS });
    const isAlive = () => isStillAlive(deps, job, username);
    return new Response(followLog({ open, isAlive, clock: deps.clock, start }), { headers: HEADERS });
  };
  return [
    { method: "GET", path: "/api/job/:jobid/stdout", handle: send("stdout.txt") },
    { method: "GET", path: "/api/job/:jobid/stderr", handle: send("stderr.txt") },
  ];
}

/** A store that cannot be reached says nothing about the job: its log is followed on. */
async function isStillAlive(deps: EdgeDeps, { id }: Job, username: string): Promise<boolean> {
  try {
    const job = await deps.jobs.get(id, username);
    return job !== undefined && !isFinished(job);
  } catch (error) {
    deps.logger.warn("A followed job could not be asked for", { jobId: id, err: error });
    return true;
  }
}
