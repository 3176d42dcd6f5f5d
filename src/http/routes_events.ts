import { isFinished } from "../core/job.ts";
import { requestedJob } from "./completed_job.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { jobEvents } from "./event_stream.ts";
import { liveBody } from "./live_stream.ts";
import type { ParameterCheck } from "./parameter_check.ts";
import type { StreamPlaces } from "./stream_places.ts";

/** How long a client may take nothing before its stream is given up; it connects again by itself. */
const MAX_STALL_MS = 120_000;

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Some proxies collect answers before they pass them on unless they are asked not to.
  "x-accel-buffering": "no",
};

const VERSION = { default: undefined, min: 0, max: Number.MAX_SAFE_INTEGER };

/** What happens to a job, told when it happens. */
export function eventRoutes(deps: EdgeDeps, places: StreamPlaces): readonly Route[] {
  const send = async (c: EdgeContext): Promise<Response> => {
    const { id, job, username, parameters: known } = await requestedJob(c, deps, lastEventId);
    // The one answer that tells a client not to connect again (HTML Living Standard §9.2.3).
    if (isFinished(job) && known !== undefined && known >= job.version) return new Response(null, { status: 204 });
    if (c.req.method === "HEAD") return new Response(null, { headers: HEADERS });
    // A number that is ahead of the job comes from another database: only what is new counts.
    const after = Math.min(known ?? job.version - 1, job.version);
    const body = liveBody(deps, {
      jobId: id,
      release: places.take(username),
      maxStallMs: MAX_STALL_MS,
      pieces: (follower) => jobEvents(deps, { id, username, after }, follower),
    });
    return new Response(body, { headers: HEADERS });
  };
  return [{ method: "GET", path: "/api/job/:jobid/events", handle: send }];
}

/** Clients that connect again send the header; a client that starts anew can only choose the address. */
function lastEventId(check: ParameterCheck): number | undefined {
  return check.headerInteger("last-event-id", VERSION) ?? check.queryInteger("last_event_id", VERSION);
}
