import { readFileSync } from "node:fs";
import { createClient } from "redis";
import type { RedisTlsConfig } from "../../../src/config/config.ts";
import { BartenderError, messageOf, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import type { Absence } from "../../../src/ports/scheduler.ts";

export type RedisClient = ReturnType<typeof makeClient>;

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`; may hold a password. */
  readonly dsn: string;
  readonly tls: RedisTlsConfig;
  /** Who is connected, for `CLIENT LIST`. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long an answer may take. Default: 5 s. */
  readonly patienceMs?: number;
}

/** A connection that is made again for ever, with a second one for what others publish. */
export interface RedisConnection {
  readonly client: RedisClient;
  /**
   * Asks the server.
   *
   * @throws {SchedulerUnavailableError} when there was no answer; what was asked may have been done, or be done later
   */
  ask<T>(signal: AbortSignal, question: (client: RedisClient) => Promise<T>): Promise<T>;
  /** Takes note of what the server has answered to somebody else on this connection. */
  noteFault(error: unknown): void;
  /** Defined while the server cannot be reached, as far as is known; undefined until the first try has failed. */
  absence(): Absence | undefined;
  /** Calls `listener` whenever an absence is over. @returns a function that ends it */
  onReturn(listener: () => void): () => void;
  /** Calls `listener` with what is published. What is published while the link is down is missed. */
  subscribe(channel: string, listener: (message: string) => void): void;
  /** Calls `listener` whenever something may have been missed: each time the subscriptions were made. */
  onSubscribed(listener: () => void): void;
  /**
   * When it was last certain that the server was not running: its machine refused the connection, or the server was
   * reading its data. On the monotonic clock; negative for never.
   */
  downAtMs(): DownAt;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface DownAt {
  /** The server itself said that it is not ready. */
  readonly byItselfMs: number;
  /** Something on the way there, most likely its machine, refused the connection. */
  readonly refusedMs: number;
}

const DEFAULT_PATIENCE_MS = 5_000;
const CONNECT_MS = 5_000;
const LONGEST_RECONNECT_MS = 1_000;

/** A link that has died without a word shows by the silence to this. */
const PING_MS = 2_000;
const SILENCE_MS = 9_000;

/** Between two tries to find another server behind the name of one that is a replica. */
const REPLICA_RETRY_MS = 2_000;

const NEVER_MS = Number.NEGATIVE_INFINITY;

/** @throws {BartenderError} when a certificate cannot be read */
export function redisConnection(options: RedisConnectionOptions): RedisConnection {
  const { clock, logger, patienceMs = DEFAULT_PATIENCE_MS } = options;
  const client = makeClient(options);
  const clients: Pick<RedisClient, "isReady" | "sendCommand">[] = [client];
  const duplicate = client.duplicate.bind(client);
  // The queue library makes one of its own to wait with.
  client.duplicate = (overrides) => {
    const made = duplicate(overrides);
    clients.push(made);
    return made;
  };
  let subscriber: RedisClient | undefined;
  const channels = new Map<string, (message: string) => void>();
  const subscribed = new Set<() => void>();
  const returned = new Set<() => void>();
  let away: Absence | undefined;
  /** What was logged since the server was away. */
  const toldReasons = new Set<string>();
  /** For those who ask before the first connection. */
  const ready = Promise.withResolvers<void>();
  let isClosed = false;
  let byItselfMs = NEVER_MS;
  let refusedMs = NEVER_MS;
  let leftReplicaMs = NEVER_MS;
  /** The next loss of the link is our own work. */
  let isLeaving = false;

  /**
   * A server that was made a replica keeps its connections, though its name may lead to the next primary by now: so they
   * are made anew.
   */
  const leaveReplica = (): void => {
    const nowMs = clock.monotonicMs();
    if (nowMs - leftReplicaMs < REPLICA_RETRY_MS) return;
    leftReplicaMs = nowMs;
    isLeaving = client.isReady;
    // The server hangs up then.
    for (const each of clients) if (each.isReady) each.sendCommand(["QUIT"]).catch(() => undefined);
  };
  const noteFault = (error: unknown): void => {
    if (isLoading(error)) byItselfMs = clock.monotonicMs();
    if (isOfReplica(error)) leaveReplica();
  };

  client.on("error", (error: unknown) => {
    if (isLeaving) {
      isLeaving = false;
      return;
    }
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ECONNREFUSED") refusedMs = clock.monotonicMs();
    noteFault(error);
    if (isClosed) return;
    const why = inOurWords(messageOf(error));
    const reason = `Redis cannot be reached: ${why}`;
    // The last reason tells most: the first one is that of a link that was lost.
    if (!toldReasons.has(why)) logger.warn("Redis cannot be reached; it is tried again", { reason: why });
    toldReasons.add(why);
    away = { sinceMs: away?.sinceMs ?? clock.nowMs(), reason };
  });
  client.on("ready", () => {
    const wasAway = away !== undefined;
    away = undefined;
    toldReasons.clear();
    ready.resolve();
    if (!wasAway) return;
    logger.info("Redis answers again");
    for (const listener of returned) listener();
  });
  connect(client);

  const openSubscriber = (): RedisClient => {
    const made = makeClient({ ...options, name: `${options.name}-news` });
    clients.push(made);
    // Told about by the first connection.
    made.on("error", () => undefined);
    made.on("ready", () => void subscribeAll(made));
    connect(made);
    return made;
  };
  const subscribeAll = async (to: RedisClient): Promise<void> => {
    try {
      // After a loss the client subscribes again by itself, before it is ready.
      if (channels.size > 0 && !isSubscribed.has(to)) {
        isSubscribed.add(to);
        await Promise.all([...channels].map(([channel, listener]) => to.subscribe(channel, listener)));
      }
      for (const listener of subscribed) listener();
    } catch (error) {
      isSubscribed.delete(to);
      // What is not heard is looked for now and then: all goes on, but slowly.
      const level = messageOf(error).startsWith("NOPERM") ? "warn" : "debug";
      logger[level]("Could not subscribe in Redis", { reason: messageOf(error) });
    }
  };
  const isSubscribed = new Set<RedisClient>();

  return {
    client,
    async ask(signal, question) {
      if (isClosed || signal.aborted) {
        throw new SchedulerUnavailableError(isClosed ? "The connection to Redis is closed" : "The call was called off");
      }
      if (away !== undefined && !client.isReady) throw new SchedulerUnavailableError(away.reason);
      const patiently = <T>(work: Promise<T>): Promise<T> =>
        orGiveUp(work, { clock, patienceMs, signal, why: () => away?.reason ?? "Redis does not answer" });
      try {
        // At the first question the connection may still be on its way.
        if (!client.isReady) await patiently(ready.promise);
        return await patiently(question(client));
      } catch (error) {
        noteFault(error);
        throw error instanceof BartenderError
          ? error
          : new SchedulerUnavailableError(`Redis did not answer: ${messageOf(error)}`, error);
      }
    },
    subscribe(channel, listener) {
      channels.set(channel, listener);
      subscriber ??= openSubscriber();
    },
    onSubscribed(listener) {
      subscribed.add(listener);
    },
    noteFault,
    absence: () => (client.isReady ? undefined : away),
    onReturn(listener) {
      returned.add(listener);
      return () => returned.delete(listener);
    },
    downAtMs: () => ({ byItselfMs, refusedMs }),
    async close() {
      if (isClosed) return;
      isClosed = true;
      client.destroy();
      subscriber?.destroy();
    },
  };
}

function makeClient({ dsn, tls, name }: Pick<RedisConnectionOptions, "dsn" | "tls" | "name">) {
  const socket = {
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    reconnectStrategy: (retries: number) => Math.min(LONGEST_RECONNECT_MS, 50 * 2 ** retries),
  };
  return createClient({
    url: dsn,
    name: name.replaceAll(/[^\x21-\x7e]/g, "_"),
    disableOfflineQueue: true,
    // Patience is ours; the client would make a signal of its own for each command, and a timer that runs on.
    commandOptions: { timeout: 0 },
    pingInterval: PING_MS,
    maintNotifications: "disabled",
    socket: isTls(dsn) ? { ...socket, tls: true, ...tlsOptions(tls) } : socket,
  });
}

function isTls(dsn: string): boolean {
  return dsn.slice(0, 7).toLowerCase() === "rediss:";
}

function tlsOptions({ caFile, certFile, keyFile, serverName }: RedisTlsConfig) {
  return {
    ...(caFile === undefined ? {} : { ca: readPem("ca", caFile) }),
    ...(certFile === undefined ? {} : { cert: readPem("cert", certFile) }),
    ...(keyFile === undefined ? {} : { key: readPem("key", keyFile) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

function readPem(key: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new BartenderError("redis_tls", `scheduler.tls.${key}: ${messageOf(error)}`, { cause: error });
  }
}

/** Goes on until the client is destroyed. */
function connect(client: RedisClient): void {
  client.connect().catch(() => undefined);
}

/** True when the answer is that of a server which only follows another one. Of older servers the word is in the middle. */
function isOfReplica(error: unknown): boolean {
  return error instanceof Error && /\b(READONLY|MASTERDOWN)\b/.test(error.message);
}

/** Redis's own words about its protected mode are a page long, and tell to open it to everybody. */
function inOurWords(message: string): string {
  if (message.startsWith("NOAUTH")) return "it asks for a password, and redis_dsn has none";
  if (!message.startsWith("DENIED")) return message;
  return "it lets in its own machine only (protected mode), as its user `default` needs no password; switch that user off";
}

function isLoading(error: unknown): boolean {
  return error instanceof Error && /^LOADING\b/.test(error.message);
}

/**
 * True when the server has answered that it takes no changes at all at the moment, as its disk is full or broken. Of older
 * servers the word is in the middle.
 */
export function isWriteRefusal(error: unknown): boolean {
  return error instanceof Error && /\bMISCONF\b/.test(error.message);
}

interface Patience {
  readonly clock: Clock;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** What there is to say when time is over. */
  readonly why: () => string;
}

async function orGiveUp<T>(work: Promise<T>, { clock, patienceMs, signal, why }: Patience): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new SchedulerUnavailableError("The call was called off", signal.reason));
  const stop = clock.after(patienceMs, () => reject(new SchedulerUnavailableError(why())));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}
