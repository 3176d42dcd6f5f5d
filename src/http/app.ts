import { Hono } from "hono";
import { absoluteUrl } from "./absolute_url.ts";
import { logAccess } from "./access_log.ts";
import { answerTo } from "./answer.ts";
import type { Bindings, EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { Refusal } from "./refusal.ts";
import { rawPath, rawQuery, routedPath } from "./request_path.ts";
import { applicationRoutes } from "./routes_application.ts";
import { archiveRoutes } from "./routes_archive.ts";
import { directoryRoutes } from "./routes_directories.ts";
import { discoveryRoutes } from "./routes_discovery.ts";
import { documentationRoutes } from "./routes_documentation.ts";
import { fileRoutes } from "./routes_files.ts";
import { interactiveRoutes } from "./routes_interactive.ts";
import { jobRoutes } from "./routes_job.ts";
import { logRoutes } from "./routes_log.ts";
import { serviceRoutes } from "./routes_service.ts";

const METHODS: readonly Route["method"][] = ["GET", "PUT", "POST", "DELETE"];

/**
 * The REST API. Serve it with `app.fetch(request, { peerAddress })`.
 *
 * Every answer of 400 and above has a JSON body with a `detail`. `HEAD` is answered like `GET`, without the body.
 */
export function createApp(deps: EdgeDeps): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>({ getPath: routedPath });
  const routes = [
    ...serviceRoutes(deps),
    ...applicationRoutes(deps),
    ...jobRoutes(deps),
    ...logRoutes(deps),
    ...fileRoutes(deps),
    ...directoryRoutes(deps),
    ...archiveRoutes(deps),
    ...interactiveRoutes(deps),
    ...discoveryRoutes(deps),
    ...documentationRoutes(deps),
  ];
  for (const route of routes) {
    app.on(route.method, route.path, (c) => answer(c, deps, () => route.handle(c)));
  }

  const methodsAt = (path: string) => METHODS.filter((method) => app.router.match(method, path)[0].length > 0);
  app.notFound((c) => answer(c, deps, () => answerUnrouted(c, deps, methodsAt)));
  return app;
}

async function answer(c: EdgeContext, deps: EdgeDeps, handle: () => Response | Promise<Response>): Promise<Response> {
  const startedMs = deps.clock.monotonicMs();
  let response: Response;
  try {
    response = await handle();
  } catch (error) {
    response = answerTo(error, deps.logger);
  }
  logAccess(c, deps, response, startedMs);
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

function otherSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : `${path}/`;
}
