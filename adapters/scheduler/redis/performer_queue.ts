import { createNodeRedisClient, Worker } from "bullmq";
import { messageOf, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import type { AttemptTag } from "../../../src/core/ids.ts";
import {
  type AttemptEnd,
  type AttemptQueue,
  type LogReading,
  type OwnAttempt,
  QueueDownError,
  type ResumedAttempt,
} from "../../../src/ports/attempt_queue.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import { isTag } from "../attempt_id.ts";
import { longestGapMs } from "./lease_watch.ts";
import { queueKeys } from "./queue_keys.ts";
import {
  decodeAttempt,
  decodeLogQuestion,
  encodeAttempt,
  encodeEnd,
  encodeLogAnswer,
  encodeNews,
  encodePerformer,
  MESSAGE_VERSION,
} from "./queue_messages.ts";
import { BEGIN, ENDED, LEAVE, RENEW, RESTORE, RESUME, RUNNING } from "./queue_scripts.ts";
import { isWriteRefusal, type RedisConnectionOptions, redisConnection } from "./redis_connection.ts";
import { runScript } from "./redis_script.ts";
import { tagDeliveries } from "./tag_deliveries.ts";

export interface PerformerQueueOptions extends Omit<RedisConnectionOptions, "name"> {
  /** As configured. */
  readonly queue: string;
  /** Name of this performer, the same after a restart; unique. */
  readonly performer: string;
  readonly leaseMs: number;
  /** What others may know about it. */
  readonly about: {
    readonly release: string;
    readonly destination: string;
    readonly host: string;
    readonly pid: number;
    readonly sinceMs: number;
    readonly capacity: number;
  };
  /**
   * A refused connection proves that the server is not running. True where that is worth a command: on a way over
   * other machines somebody else may refuse.
   */
  readonly isRefusalTrusted: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a server must be up before anything begins. Default: 5 s. */
  readonly settleMs?: number | undefined;
}

const DEFAULT_SETTLE_MS = 5_000;
const SETTLE_LOOK_MS = 500;

/** What was told so long ago is on the disk of a server that writes to it every second, as a part of the time to settle. */
const LASTING_PART = 0.5;

/** How long one question for work lasts, in seconds. */
const WAIT_FOR_WORK_S = 2;

/** A tag that was brought to a performer which died before it began comes back after this. */
const DELIVERY_MS = 5_000;

/** The other side of `redisScheduler`: takes attempts and says what becomes of them. */
export function performerQueue(options: PerformerQueueOptions): AttemptQueue {
  const { performer, leaseMs, clock, logger, settleMs = DEFAULT_SETTLE_MS } = options;
  const keys = queueKeys(options.queue);
  const connection = redisConnection({ ...options, name: `bartender-performer-${performer}` });
  const bull = createNodeRedisClient(connection.client);
  // The connection tells about its faults itself.
  bull.on("error", () => undefined);
  // What was brought and not begun is brought again, which does no harm, as an attempt begins only once.
  const worker = new Worker(keys.queueName, null, {
    connection: bull,
    prefix: keys.prefix,
    name: performer,
    autorun: false,
    skipVersionCheck: true,
    drainDelay: WAIT_FOR_WORK_S,
    lockDuration: DELIVERY_MS,
    stalledInterval: DELIVERY_MS,
    maxStalledCount: Number.MAX_SAFE_INTEGER,
  });
  worker.on("error", (error) => {
    connection.noteFault(error);
    logger.debug("The queue in Redis does not answer", { reason: error.message });
  });
  void worker.startStalledCheckTimer();
  const deliveries = tagDeliveries(worker, clock, logger);
  const connectedListeners = new Set<() => void>();
  connection.onSubscribed(() => {
    for (const listener of connectedListeners) listener();
  });
  const cancelListeners = new Set<(tag: AttemptTag) => void>();
  connection.subscribe(keys.cancellations, (tag) => {
    if (isTag(tag)) for (const listener of cancelListeners) listener(tag as AttemptTag);
  });
  let readLog: LogReading | undefined;
  connection.subscribe(keys.logQuestions, (text) => void answer(text));
  const answer = async (text: string): Promise<void> => {
    try {
      const { tag, fileName, fromByte, maxBytes, asker, question } = decodeLogQuestion(text);
      const part = await readLog?.(tag as AttemptTag, fileName, fromByte, Math.min(maxBytes, MAX_LOG_BYTES));
      // Another performer has it, or none.
      if (part === undefined) return;
      await connection.client.publish(keys.logAnswers(asker), encodeLogAnswer({ question, part }));
    } catch (error) {
      logger.debug("A question for a log was not answered", { reason: messageOf(error) });
    }
  };
  const begunBy = keys.begunBy(performer);
  /** The life of the server that took the last renewal. */
  let known = { life: "", sinceMs: 0 };
  const rememberedMs = Math.max(REMEMBERED_MS, leaseMs);
  /** The oldest first. */
  const toldEnds = new Map<AttemptTag, { readonly end: AttemptEnd; readonly atMs: number }>();
  /**
   * Nothing is begun by a lease that a server which is killed could forget: when it came back, nobody would wait to hear
   * what has begun here.
   */
  let leaseLastsFromMs = Number.NEGATIVE_INFINITY;
  /** Since when the server has refused to renew the lease, time and again. */
  let refusedSinceMs: number | undefined;
  /** The newer version of messages that was told last. */
  let toldVersion: string | undefined;
  let isClosed = false;

  /** After an update of the daemon: performers of its version can run it, which we could not. */
  const leaveToNewer = (version: string): "newer" => {
    if (toldVersion !== version) {
      const reason = `expected messages of version ${MESSAGE_VERSION}, got ${version}; daemon and performers must be of the same version`;
      logger.error("Jobs of a newer version of Bartender are left to performers of that version", { reason });
    }
    toldVersion = version;
    return "newer";
  };
  const begin = async (tag: string, signal: AbortSignal): Promise<OwnAttempt | "later" | "over" | "newer"> => {
    const own = [keys.attempt(tag), keys.leases, begunBy];
    for (;;) {
      const knownMs = Math.round(clock.monotonicMs() - known.sinceMs);
      const about = [String(settleMs), known.life, String(knownMs), keys.beginnings, String(MESSAGE_VERSION)];
      const answer = await connection.ask(signal, (client) =>
        runScript(client, BEGIN, own, [tag, performer, ...about]),
      );
      const [state, text = ""] = answer as readonly string[];
      if (state === "begun") return ownAttempt(tag, text, signal);
      if (state === "newer") return leaveToNewer(text);
      if (state !== "settling") return state === "over" ? "over" : "later";
      await new Promise<void>((resolve) => clock.after(SETTLE_LOOK_MS, resolve));
    }
  };
  /** What cannot be understood will not be by asking again. */
  const ownAttempt = async (tag: string, text: string, signal: AbortSignal): Promise<OwnAttempt | "over"> => {
    const told = toldEnds.get(tag as AttemptTag);
    if (told !== undefined) {
      // A server that had lost it was told at the same time that it runs here.
      await ended(tag as AttemptTag, told.end, signal);
      return "over";
    }
    try {
      const { directory, command, application, submitter } = decodeAttempt(text);
      return { tag: tag as AttemptTag, job: { directory, command, application, submitter, resources: {} } };
    } catch (error) {
      logger.error("A job that cannot be understood", { tag, reason: messageOf(error) });
      const outcome = { isOk: false, returnCode: null, reason: messageOf(error) };
      await ended(tag as AttemptTag, { type: "ended", outcome }, signal);
      return "over";
    }
  };
  const ended: AttemptQueue["ended"] = async (tag, end, signal) => {
    const told = { ...end, outcome: { ...end.outcome, host: options.about.host } };
    const values = [performer, tag, encodeEnd(told), encodeNews({ tag, status: told }), keys.news];
    const answer = connection.ask(signal, (client) => runScript(client, ENDED, [keys.attempt(tag), begunBy], values));
    deliveries.ended(tag);
    await answer;
    toldEnds.set(tag, { end, atMs: clock.monotonicMs() });
    for (const [other, { atMs }] of toldEnds) {
      if (clock.monotonicMs() - atMs < rememberedMs) break;
      toldEnds.delete(other);
    }
  };
  /** A server that was killed may have forgotten the last that it was told. */
  const tellAgain = async (signal: AbortSignal): Promise<void> => {
    for (const [tag, { end }] of [...toldEnds]) await ended(tag, end, signal);
  };
  const restore = async ({ tag, job }: OwnAttempt, signal: AbortSignal): Promise<void> => {
    logger.warn("Redis has lost a job that runs here; it is told again", { tag });
    const { directory, command, application, submitter } = job;
    const message = encodeAttempt({ tag, directory, command, application, submitter });
    await connection.ask(signal, (client) =>
      runScript(client, RESTORE, [keys.attempt(tag), begunBy], [performer, tag, message]),
    );
  };
  return {
    leaseMs,
    async take(mayBegin, wantsMore, signal) {
      if (isClosed || !connection.client.isReady) {
        throw new SchedulerUnavailableError(connection.absence()?.reason ?? "There is no connection to Redis yet");
      }
      const newMs = leaseLastsFromMs - clock.monotonicMs();
      if (newMs > 0) {
        await new Promise<void>((resolve) => clock.after(Math.min(newMs, SETTLE_LOOK_MS), resolve));
        return undefined;
      }
      const delivery = await deliveries.next(signal).catch((error: unknown) => {
        connection.noteFault(error);
        throw error;
      });
      if (delivery === undefined) return undefined;
      const { tag } = delivery;
      const begun = !isTag(tag) ? "over" : mayBegin() ? await begin(tag, signal) : "later";
      if (typeof begun !== "string" && !wantsMore) deliveries.settleSoon(delivery);
      else delivery.settle(begun === "later" || begun === "newer" ? "later" : "done", wantsMore);
      if (begun === "newer") throw new SchedulerUnavailableError("The next job is of a newer version of Bartender");
      return typeof begun === "string" ? undefined : begun;
    },
    async resume(signal) {
      const answer = await connection.ask(signal, (client) =>
        runScript(client, RESUME, [begunBy], [performer, keys.attempts]),
      );
      const found: ResumedAttempt[] = [];
      for (const [tag, text, isCertain] of answer as readonly [string, string, number][]) {
        const own = await ownAttempt(tag, text, signal);
        if (own !== "over") found.push({ ...own, isCertain: isCertain === 1 });
      }
      return found;
    },
    async running(tag, signal) {
      const values = [performer, encodeNews({ tag, status: { type: "running" } }), keys.news];
      await connection.ask(signal, (client) => runScript(client, RUNNING, [keys.attempt(tag)], values));
    },
    ended,
    async renew(held, { running, isDraining }, isUnbroken, signal) {
      const presence = encodePerformer({ ...options.about, leaseMs, running, isDraining });
      const sentAtMs = clock.monotonicMs();
      const values = [performer, String(leaseMs), presence, keys.attempts, ...held.map(({ tag }) => tag)];
      try {
        const answer = await connection.ask(signal, (client) =>
          runScript(client, RENEW, [keys.leases, keys.performers, begunBy, keys.heard], values),
        );
        const [life, isNew, cancelled = [], lost = [], unknown = [], unclaimed = []] = answer as RenewAnswer;
        if (isNew === 1) leaseLastsFromMs = clock.monotonicMs() + settleMs * LASTING_PART;
        if (life !== known.life) {
          await tellAgain(signal);
          known = { life, sinceMs: clock.monotonicMs() };
        }
        refusedSinceMs = undefined;
        // While the lease lasts nobody else ends an attempt, so that the server must have lost it.
        if (!isUnbroken) return { cancelled, lost: [...lost, ...unknown], unclaimed };
        for (const own of held) {
          // Of one whose end was told meanwhile the daemon may have let it go.
          if (unknown.includes(own.tag) && !toldEnds.has(own.tag)) await restore(own, signal);
        }
        return { cancelled, lost, unclaimed };
      } catch (error) {
        const { byItselfMs, refusedMs } = connection.downAtMs();
        const downAtMs = options.isRefusalTrusted ? Math.max(byItselfMs, refusedMs) : byItselfMs;
        // A moment ago counts, as tries to connect come at times of their own.
        if (downAtMs >= sentAtMs - DOWN_MS) throw new QueueDownError(downAtMs, error);
        refusedSinceMs = isWriteRefusal(error) ? (refusedSinceMs ?? clock.monotonicMs()) : undefined;
        const refusedForMs = refusedSinceMs === undefined ? 0 : sentAtMs - refusedSinceMs;
        // By then daemons have seen that, too, and have to wait anew before they take anybody for lost.
        if (refusedForMs > longestGapMs(leaseMs)) throw new QueueDownError(sentAtMs, error);
        throw error;
      }
    },
    onConnected(listener) {
      connectedListeners.add(listener);
      return () => connectedListeners.delete(listener);
    },
    onCancel(listener) {
      cancelListeners.add(listener);
      return () => cancelListeners.delete(listener);
    },
    onLogAsked(read) {
      readLog = read;
      return () => {
        readLog = undefined;
      };
    },
    release: () => deliveries.release(),
    async leave() {
      const own = [keys.leases, keys.performers, begunBy, keys.heard];
      await connection.ask(new AbortController().signal, (client) => runScript(client, LEAVE, own, [performer]));
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      // The library would wait for a server that is away.
      void worker.close(true).catch(() => undefined);
      await connection.close();
    },
  };
}

type RenewAnswer = readonly [string, number, ...(readonly AttemptTag[])[]];

/**
 * For how long ends are remembered that were told, at least; also until the next renewal. A server that writes to its disk
 * every second has forgotten no more than the last seconds.
 */
const REMEMBERED_MS = 60_000;

/** What goes through Redis at a time. */
const MAX_LOG_BYTES = 1_000_000;

/** Longer than the longest pause between two tries to connect. */
const DOWN_MS = 1_500;
