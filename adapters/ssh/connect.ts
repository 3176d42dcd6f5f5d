import type { Socket } from "node:net";
import { connect as connectSocket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2, { type Client, type NextAuthHandler } from "ssh2";
import { ConnectionError, messageOf } from "../../src/core/errors.ts";
import { type Credential, credentials, type KeySources } from "./credentials.ts";
import { ANY_HOST_KEY, hostKeyCheck } from "./host_key.ts";
import type { SshHost } from "./ssh_host.ts";

/** How patient a connection is. */
export interface LinkTimes {
  /** From the first packet until logged in. */
  readonly connectTimeoutMs: number;
  /** A silent host is asked this often whether it is still there. */
  readonly keepAliveMs: number;
  /** After as many questions without an answer the link counts as lost. */
  readonly keepAliveCount: number;
}

export const DEFAULT_LINK_TIMES: LinkTimes = { connectTimeoutMs: 20_000, keepAliveMs: 10_000, keepAliveCount: 3 };

/** A connection that is logged in. */
export interface Link {
  readonly client: Client;
  /** True from the moment on when the link was lost or closed; before its channels hear of it. */
  readonly isLost: boolean;
  /**
   * Calls `listener` once when the link is lost or closed, with the reason when there was one; at once when it is.
   *
   * @returns a function that prevents it
   */
  onLost(listener: (fault: Error | undefined) => void): () => void;
  /** Ends the link at once. Idempotent. */
  destroy(): void;
}

export interface ConnectOptions {
  readonly host: SshHost;
  readonly sources: KeySources;
  readonly times: LinkTimes;
  /** A way through another host; without it, the host is called directly. */
  readonly transport?: Duplex;
}

/** Logs in once. @throws {ConnectionError} without secrets, saying what to do */
export async function connect(options: ConnectOptions): Promise<Link> {
  const { host, sources, times } = options;
  const { hostname, port, username } = host;
  const where = `${username}@${hostname}:${port}`;
  const check = host.isHostKeyChecked ? await hostKeyCheck(host, sources.homeDirectory) : ANY_HOST_KEY;
  const ways = await credentials(host, sources);
  const client = new ssh2.Client();
  const socket = options.transport ?? connectSocket({ host: hostname, port });
  let isLost = false;
  let isReady = false;
  let fault: Error | undefined;
  let verdict: ConnectionError | undefined;
  let hasSpoken = false;
  const tried: string[] = [];
  // Not a promise: a link lives for months, and would remember everybody who ever waited for its end.
  const listeners = new Set<(fault: Error | undefined) => void>();
  // Before the client's own listener, so that channels which the client closes then can be told from whole ones.
  socket.once("close", () => {
    isLost = true;
    for (const listener of listeners) listener(fault);
    listeners.clear();
  });
  // A second error may follow the first; without a listener it would end the process.
  client.on("error", (error) => {
    fault ??= error;
  });
  await new Promise<void>((resolve, reject) => {
    const giveUp = (): void => {
      clearTimeout(timer);
      if (isReady) return;
      socket.destroy();
      client.destroy();
      reject(verdict ?? faultOfLogin({ where, fault, tried, hasSpoken, times, isLate }));
    };
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      giveUp();
    }, times.connectTimeoutMs);
    socket.once("data", () => {
      hasSpoken = true;
    });
    client.once("error", giveUp);
    listeners.add(giveUp);
    client.once("ready", () => {
      isReady = true;
      listeners.delete(giveUp);
      clearTimeout(timer);
      resolve();
    });
    client.connect({
      sock: socket as Socket,
      username,
      readyTimeout: 0,
      keepaliveInterval: times.keepAliveMs,
      keepaliveCountMax: times.keepAliveCount,
      algorithms: { serverHostKey: [...check.algorithms] },
      hostVerifier: (key: Buffer) => {
        verdict = check.judge(key);
        return verdict === undefined;
      },
      authHandler: nextMethod(ways, tried),
    });
  });
  const destroy = (): void => {
    client.end();
    client.destroy();
    socket.destroy();
  };
  return {
    client,
    destroy,
    onLost(listener) {
      if (isLost) listener(fault);
      else listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get isLost() {
      return isLost;
    },
  };
}

/** Tries one way after the other, leaving out those that the host does not offer. */
function nextMethod(ways: readonly Credential[], tried: string[]) {
  const left = [...ways];
  return (offered: readonly string[] | null, _isPartial: boolean | null, next: NextAuthHandler): void => {
    // The first question only asks what is offered.
    if (offered === null) return next("none");
    for (let way = left.shift(); way !== undefined; way = left.shift()) {
      const type = way.method.type === "agent" ? "publickey" : way.method.type;
      if (!offered.includes(type)) continue;
      tried.push(way.name);
      return next(way.method);
    }
    // The declared type knows no way to say that there is none left.
    return (next as unknown as (none: false) => void)(false);
  };
}

interface FailedLogin {
  readonly where: string;
  readonly fault: Error | undefined;
  readonly tried: readonly string[];
  readonly hasSpoken: boolean;
  readonly isLate: boolean;
  readonly times: LinkTimes;
}

function faultOfLogin({ where, fault, tried, hasSpoken, isLate, times }: FailedLogin): ConnectionError {
  if (fault !== undefined && "level" in fault && fault.level === "client-authentication") {
    const ways = tried.length === 0 ? "none of the configured ways is offered" : `tried ${tried.join(", ")}`;
    return new ConnectionError(
      "login_refused",
      `The SSH server refused to log in ${where} (${ways}): check username, key and password`,
      fault,
    );
  }
  if (isLate) {
    return new ConnectionError(
      "host_unreachable",
      `Cannot connect to ${where}: no answer within ${times.connectTimeoutMs / 1000} seconds`,
      fault,
    );
  }
  const why =
    fault === undefined
      ? `the host closed the connection before the log-in${hasSpoken ? "" : "; it may allow no more connections just now"}`
      : messageOf(fault);
  return new ConnectionError("host_unreachable", `Cannot connect to ${where}: ${why}`, fault);
}
