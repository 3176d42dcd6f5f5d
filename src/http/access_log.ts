import { isFromTrustedPeer } from "./absolute_url.ts";
import type { EdgeContext, EdgeDeps } from "./edge.ts";
import { rawPath, rawQuery } from "./request_path.ts";

/** Stands in the log where a token was. */
const STRIPPED = "***";

/**
 * One line per request. Reads that went well are frequent and tell little: level debug; all others: info.
 *
 * Neither headers nor bodies are logged, and tokens are taken out of the query.
 */
export function logAccess(c: EdgeContext, deps: EdgeDeps, response: Response, durationMs: number): void {
  const { method, url } = c.req;
  const isQuiet = response.status < 400 && (method === "GET" || method === "HEAD");
  if (isQuiet && !deps.logger.isDebugging()) return;
  const fields = {
    method,
    path: rawPath(url) + withoutToken(rawQuery(url)),
    status: response.status,
    durationMs: Math.round(durationMs * 1000) / 1000,
    peer: clientAddress(c, deps),
  };
  if (isQuiet) deps.logger.debug("Request", fields);
  else deps.logger.info("Request", fields);
}

/** A query as it may be logged: the value of every parameter that reads `token`, however escaped, is replaced. */
export function withoutToken(query: string): string {
  if (query === "") return "";
  const parameters = query.slice(1).split("&");
  return `?${parameters.map((parameter) => (isToken(parameter) ? `token=${STRIPPED}` : parameter)).join("&")}`;
}

function isToken(parameter: string): boolean {
  return new URLSearchParams(parameter).has("token");
}

/** Who is at the other end: the address that a trusted proxy saw, else the peer itself. */
function clientAddress(c: EdgeContext, deps: EdgeDeps): string | undefined {
  const forwarded = isFromTrustedPeer(c, deps) ? c.req.header("x-forwarded-for") : undefined;
  return forwarded?.split(",").at(-1)?.trim() ?? c.env?.peerAddress;
}
