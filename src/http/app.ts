import { Hono } from "hono";
import { absoluteUrl } from "./absolute_url.ts";
import { logAccess } from "./access_log.ts";
import { answerTo } from "./answer.ts";
import type { Bindings, EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { Refusal } from "./refusal.ts";
import { rawPath, rawQuery, routedPath } from "./request_path.ts";
import { countingRequests } from "./request_rate.ts";
import { tracedLogger, withRequestTrace } from "./request_trace.ts";
import { applicationRoutes } from "./routes_application.ts";
import { archiveRoutes } from "./routes_archive.ts";
import { directoryRoutes } from "./routes_directories.ts";
import { discoveryRoutes } from "./routes_discovery.ts";
import { documentationRoutes } from "./routes_documentation.ts";
import { eventRoutes } from "./routes_events.ts";
import { fileRoutes } from "./routes_files.ts";
import { interactiveRoutes } from "./routes_interactive.ts";
import { jobRoutes } from "./routes_job.ts";
import { logRoutes } from "./routes_log.ts";
import { serviceRoutes } from "./routes_service.ts";
import { StreamPlaces } from "./stream_places.ts";

/** Stands for the routes of requests that have none. */
const UNROUTED = "none";

const METHODS: readonly Route["method"][] = ["GET", "PUT", "POST", "DELETE"];

/**
 * The REST API. Serve it with `app.fetch(request, { peerAddress })`.
 *
 * Every answer of 400 and above has a JSON body with a `detail`. `HEAD` is answered like `GET`, without the body.
 */
export function createApp(unlimited: EdgeDeps): Hono<{ Bindings: Bindings }> {
  const { verifyToken, usage, clock } = unlimited;
  const deps = {
    ...unlimited,
    logger: tracedLogger(unlimited.logger),
    verifyToken: countingRequests(verifyToken, usage.requestsPerMinute, clock),
  };
  const app = new Hono<{ Bindings: Bindings }>({ getPath: routedPath });
  const places = new StreamPlaces(deps.streams);
  const routes = [
    ...serviceRoutes(deps),
    ...applicationRoutes(deps),
    ...jobRoutes(deps),
    ...eventRoutes(deps, places),
    ...logRoutes(deps, places),
    ...fileRoutes(deps),
    ...directoryRoutes(deps),
    ...archiveRoutes(deps),
    ...interactiveRoutes(deps),
    ...discoveryRoutes(deps),
    ...documentationRoutes(deps),
  ];
  for (const route of routes) {
    const shown = shownRoute(route.path);
    app.on(route.method, route.path, (c) => answer(c, deps, shown, () => route.handle(c)));
  }

  const methodsAt = (path: string) => METHODS.filter((method) => app.router.match(method, path)[0].length > 0);
  app.notFound((c) => answer(c, deps, UNROUTED, () => answerUnrouted(c, deps, methodsAt)));
  return app;
}

function answer(
  c: EdgeContext,
  deps: EdgeDeps,
  route: string,
  handle: () => Response | Promise<Response>,
): Promise<Response> {
  return withRequestTrace(c.req.raw.headers, deps.nextRequestId, async (requestId) => {
    const response = await answered(c, deps, route, handle);
    response.headers.set("x-request-id", requestId);
    if (c.req.raw.method === "HEAD") await tellLength(response);
    return response;
  });
}

/** Runtimes announce an empty body otherwise (RFC 9110 §8.6, RFC 9112 §6.1). */
async function tellLength({ headers, body, status }: Response): Promise<void> {
  if (headers.has("content-length")) return;
  // Made while it is sent: nobody knows how long it is going to be.
  if (body === null && status === 200) headers.set("transfer-encoding", "chunked");
  if (body === null || headers.get("content-type") !== "application/json") return;
  let length = 0;
  for await (const chunk of body) length += chunk.length;
  headers.set("content-length", String(length));
}

async function answered(
  c: EdgeContext,
  deps: EdgeDeps,
  route: string,
  handle: () => Response | Promise<Response>,
): Promise<Response> {
  const startedMs = deps.clock.monotonicMs();
  let response: Response;
  try {
    response = await handle();
  } catch (error) {
    response = answerTo(error, deps.logger);
  }
  const durationMs = deps.clock.monotonicMs() - startedMs;
  deps.metrics.answered({ method: c.req.method, route, status: response.status, durationMs });
  logAccess(c, deps, response, durationMs);
  return response;
}

/** Tells a wrong method from a forgotten or superfluous final slash, and both from a path that does not exist. */
function answerUnrouted(
  c: EdgeContext,
  deps: EdgeDeps,
  methodsAt: (path: string) => readonly Route["method"][],
): Response {
  const methods = methodsAt(c.req.path);
  if (methods.length > 0) {
    const allow = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
    throw new Refusal(405, "Method Not Allowed", { headers: { allow } });
  }
  if (methodsAt(otherSlash(c.req.path)).length > 0) {
    const location = absoluteUrl(c, deps, otherSlash(rawPath(c.req.url)) + rawQuery(c.req.url));
    return new Response(null, { status: 307, headers: { location } });
  }
  throw new Refusal(404, "Not Found");
}

/** A pattern as people read it: `/api/job/:jobid/files/:path`. */
function shownRoute(path: string): string {
  return path.replace(/\{.*?\}/g, "");
}

function otherSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : `${path}/`;
}
