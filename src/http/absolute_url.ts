import type { EdgeContext, EdgeDeps } from "./edge.ts";

/**
 * The URL under which this client reaches `pathAndQuery`: its own `Host`, and the scheme that a trusted proxy
 * announces in `X-Forwarded-Proto`.
 */
export function absoluteUrl(c: EdgeContext, deps: Pick<EdgeDeps, "isTrustedPeer">, pathAndQuery: string): string {
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  return `${scheme(c, deps)}://${host}${pathAndQuery}`;
}

function scheme(c: EdgeContext, deps: Pick<EdgeDeps, "isTrustedPeer">): string {
  const forwarded = c.req.header("x-forwarded-proto");
  if (forwarded === undefined || !isFromTrustedPeer(c, deps)) return "http";
  const proto = forwarded.split(",")[0]?.trim().toLowerCase();
  return proto === "https" ? "https" : "http";
}

/** True when the connection comes from a proxy whose headers are believed. */
export function isFromTrustedPeer(c: EdgeContext, deps: Pick<EdgeDeps, "isTrustedPeer">): boolean {
  // Hono leaves `env` undefined when the application is called without bindings.
  const peer = c.env?.peerAddress;
  return peer !== undefined && deps.isTrustedPeer(peer);
}
