import { hasRoomForPeers, servePeers, withUmask } from "./peer_sockets.ts";

/**
 * Serving HTTP: one of the few places where Bun and Deno differ. Only the part of each API that is used here is
 * described, so that the file type-checks under both.
 */

/** What an application gets to know about a connection beside the request. */
export interface ConnectionInfo {
  /** IP address of the peer; undefined when the runtime does not tell. */
  readonly peerAddress?: string;
  /**
   * Makes a body of the bytes `start` to before `end` of an open file, which the runtime sends by itself, with the
   * file's own speed. It also closes the file. Undefined where the runtime cannot.
   */
  readonly fileBody?: (file: OpenFile, start: number, end: number) => Blob;
}

/** An open file, as `node:fs/promises` gives it. */
export interface OpenFile {
  readonly fd: number;
  close(): Promise<void>;
}

export type FetchHandler = (request: Request, connection: ConnectionInfo) => Response | Promise<Response>;

export interface HttpServer {
  readonly hostname: string;
  /** The real port, also when 0 was asked for. */
  readonly port: number;
  /** Accepts no more connections; resolves when running requests are done, or were cut off after `graceMs`. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

/** A server on a Unix socket. */
export interface SocketServer {
  /** As {@link HttpServer.stop}; the socket is gone then. */
  stop(graceMs: number): Promise<void>;
}

interface BunServer {
  readonly port: number;
  requestIP(request: Request): { readonly address: string } | null;
  timeout(request: Request, seconds: number): void;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

interface BunRuntime {
  file(path: string): Blob;
  serve(options: {
    readonly hostname: string;
    readonly port: number;
    readonly idleTimeout: number;
    readonly maxRequestBodySize: number;
    readonly development: boolean;
    readonly reusePort: boolean;
    readonly fetch: (request: Request, server: BunServer) => Response | Promise<Response>;
  }): BunServer;
  serve(options: {
    readonly unix: string;
    readonly idleTimeout: number;
    readonly development: boolean;
    readonly fetch: (request: Request) => Response | Promise<Response>;
  }): Pick<BunServer, "stop">;
}

interface DenoServer {
  readonly addr: { readonly port: number };
  readonly finished: Promise<void>;
  shutdown(): Promise<void>;
}

interface DenoRuntime {
  serve(
    options: {
      readonly hostname: string;
      readonly port: number;
      readonly signal: AbortSignal;
      readonly onListen: () => void;
    },
    handler: (
      request: Request,
      info: { readonly remoteAddr: { readonly hostname?: string } },
    ) => Response | Promise<Response>,
  ): DenoServer;
  serve(
    options: { readonly path: string; readonly signal: AbortSignal; readonly onListen: () => void },
    handler: (request: Request) => Response | Promise<Response>,
  ): DenoServer;
}

/**
 * Listens on TCP. Request bodies are unlimited here: the application bounds them while they stream. Slow
 * handlers and silent streams are not cut off.
 *
 * @param port 0 takes a free one
 * @throws when the address cannot be used; the message names it
 */
export function serveHttp(
  address: { readonly hostname: string; readonly port: number },
  handler: FetchHandler,
): HttpServer {
  const { Bun, Deno } = globalThis as unknown as { readonly Bun?: BunRuntime; readonly Deno?: DenoRuntime };
  try {
    if (Bun !== undefined) return serveOnBun(Bun, address, handler);
    if (Deno !== undefined) return serveOnDeno(Deno, address, handler);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot listen on ${address.hostname} port ${address.port}: ${reason}`, { cause: error });
  }
  throw new Error("Bartender runs on Bun or Deno");
}

/**
 * Listens on a Unix socket that nobody but the owner and the group can connect to. The path must be free.
 *
 * @param handler told the account at the other end, where that is known
 * @throws when the path cannot be used; the message names it
 */
export async function serveSocket(
  path: string,
  handler: (request: Request, peerUid: number | undefined) => Response | Promise<Response>,
): Promise<SocketServer> {
  const { Bun, Deno } = globalThis as unknown as { readonly Bun?: BunRuntime; readonly Deno?: DenoRuntime };
  try {
    if (Bun !== undefined) {
      const serve = (unix: string, uid: number | undefined): SocketServer => {
        const fetch = (request: Request) => handler(request, uid);
        const server = Bun.serve({ unix, idleTimeout: 0, development: false, fetch });
        return { stop: once((graceMs) => withDeadline(server.stop(false), graceMs, () => server.stop(true))) };
      };
      if (!hasRoomForPeers(path)) return withUmask(0o117, () => serve(path, undefined));
      const server = await servePeers(path, serve);
      return { stop: once((graceMs) => server.stop(graceMs)) };
    }
    if (Deno !== undefined) {
      const abort = new AbortController();
      const server = withUmask(0o117, () =>
        Deno.serve({ path, signal: abort.signal, onListen: () => undefined }, (request) => handler(request, undefined)),
      );
      const force = (): Promise<void> => {
        abort.abort();
        return server.finished;
      };
      return { stop: once((graceMs) => withDeadline(server.shutdown(), graceMs, force)) };
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot listen on the socket ${path}: ${reason}`, { cause: error });
  }
  throw new Error("Bartender runs on Bun or Deno");
}

function serveOnBun(
  bun: BunRuntime,
  address: { readonly hostname: string; readonly port: number },
  handler: FetchHandler,
): HttpServer {
  const server = bun.serve({
    ...address,
    idleTimeout: 120,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Otherwise the source of whatever broke a body off is printed into the log.
    development: false,
    // Without development Bun lets processes share a port, and each would get some of the requests.
    reusePort: false,
    async fetch(request, self) {
      // A handler may take as long as it needs; only idle connections between requests time out.
      self.timeout(request, 0);
      const peer = self.requestIP(request);
      const lent: OpenFile[] = [];
      const fileBody = (file: OpenFile, start: number, end: number): Blob => {
        lent.push(file);
        // The kernel's name for the open file: no other file can take its place.
        return bun.file(`/proc/self/fd/${file.fd}`).slice(start, end);
      };
      try {
        return await handler(request, peer === null ? { fileBody } : { peerAddress: peer.address, fileBody });
      } finally {
        // Bun opens the file itself as soon as it has the response, which is before the next turn of the event loop.
        if (lent.length > 0) setImmediate(() => void Promise.all(lent.map((file) => file.close())));
      }
    },
  });
  return {
    hostname: address.hostname,
    port: server.port,
    stop: once((graceMs) => withDeadline(server.stop(false), graceMs, () => server.stop(true))),
  };
}

function serveOnDeno(
  deno: DenoRuntime,
  address: { readonly hostname: string; readonly port: number },
  handler: FetchHandler,
): HttpServer {
  const abort = new AbortController();
  const server = deno.serve({ ...address, signal: abort.signal, onListen: () => undefined }, (request, info) =>
    handler(request, info.remoteAddr.hostname === undefined ? {} : { peerAddress: info.remoteAddr.hostname }),
  );
  return {
    hostname: address.hostname,
    port: server.addr.port,
    stop: once((graceMs) =>
      withDeadline(server.shutdown(), graceMs, () => {
        abort.abort();
        return server.finished;
      }),
    ),
  };
}

function once(stop: (graceMs: number) => Promise<void>): (graceMs: number) => Promise<void> {
  let stopped: Promise<void> | undefined;
  return (graceMs) => {
    stopped ??= stop(graceMs);
    return stopped;
  };
}

async function withDeadline(done: Promise<void>, graceMs: number, force: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), graceMs);
  });
  try {
    if ((await Promise.race([done, deadline])) === "late") await force();
  } finally {
    clearTimeout(timer);
  }
}
