import { createNodeRedisClient, Queue } from "bullmq";
import { messageOf, SchedulerRefusedError, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import { type AttemptTag, type SchedulerJobId, schedulerJobId } from "../../../src/core/ids.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import type { JobDescription, Scheduler } from "../../../src/ports/scheduler.ts";
import { isTag } from "../attempt_id.ts";
import { checkJob } from "../check_job.ts";
import { attemptFollower, type Sight } from "./attempt_follower.ts";
import { describeMemory, describePerformers, describeServer } from "./describe_queue.ts";
import { listPerformers } from "./list_performers.ts";
import { logQuestions } from "./log_questions.ts";
import { queueKeys } from "./queue_keys.ts";
import { decodeEnd, decodeNews, encodeAttempt, encodeEnd, encodeNews } from "./queue_messages.ts";
import { CANCEL, CONFIRM, CREATE, FORGET, LOOK } from "./queue_scripts.ts";
import { type RedisConnectionOptions, redisConnection } from "./redis_connection.ts";
import { runScript } from "./redis_script.ts";
import { sweepPerformers } from "./sweep_performers.ts";

export interface RedisSchedulerOptions extends Omit<RedisConnectionOptions, "name"> {
  /** As configured. */
  readonly queue: string;
  /** How long a performer may be silent before it and its jobs count as lost. */
  readonly leaseMs: number;
  /** True when the job directories of performers are those of this machine. */
  readonly isLocal: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Jobs wait in Redis until a performer has room, first in, first out; the rest wait here, fair between submitters. */
const CAPACITY = 10_000;

/** So many attempts at a time, so that others get their turn. */
const CONFIRMED_TOGETHER = 500;

const FORGET_AGAIN_MS = 5_000;

const ENDED_BEFORE_START = "Cancelled before a performer took it";

/**
 * Hands jobs to performers on any number of machines, through Redis. What an attempt is up to stands in a hash of its
 * own, see `queue_scripts.ts`; the queue library only carries tags to performers.
 */
export function redisScheduler(options: RedisSchedulerOptions): Scheduler {
  const { clock, logger, leaseMs } = options;
  const keys = queueKeys(options.queue);
  const connection = redisConnection({ ...options, name: `bartender-daemon-${keys.queueName}` });
  const bull = createNodeRedisClient(connection.client);
  // The connection tells about its faults itself.
  bull.on("error", () => undefined);
  const queue = new Queue(keys.queueName, { connection: bull, prefix: keys.prefix, skipVersionCheck: true });
  queue.on("error", () => undefined);
  const logs = logQuestions({ connection, keys, clock, logger });
  const closing = new AbortController();
  /** The performers that had to be heard when attempts were confirmed last. */
  let silentBefore: readonly string[] = [];

  const readStatuses = async (tags: readonly string[], signal: AbortSignal): Promise<Map<string, Sight>> => {
    const rows = await connection.ask(signal, (client) =>
      // Sent together.
      Promise.all(tags.map((tag) => client.hmGet(keys.attempt(tag), ["state", "running", "result"]))),
    );
    return new Map(
      tags.flatMap((tag, index) => {
        const [state, running, result] = rows[index] ?? [];
        const status = statusOf(state ?? undefined, running ?? undefined, result ?? undefined);
        return status === undefined ? [] : [[tag, { status, hasBegun: state !== "queued" }] as const];
      }),
    );
  };
  const follower = attemptFollower({
    clock,
    logger,
    leaseMs,
    readStatuses,
    submitAgain: async (tag, job) => void (await hand(tag, job)),
    confirm: (tags) => confirm(tags, closing.signal),
  });

  connection.subscribe(keys.news, (text) => {
    try {
      const { tag, status } = decodeNews(text);
      follower.hear(tag, status);
    } catch (error) {
      logger.warn("News in Redis that cannot be understood", { reason: messageOf(error) });
    }
  });
  connection.subscribe(keys.beginnings, follower.hearBegun);
  connection.onSubscribed(() => follower.reconnected());

  /**
   * Idempotent, so it need not be known whether an earlier try got through.
   *
   * @returns true when the server did not know it
   */
  const hand = async (tag: string, job: JobDescription, signal: AbortSignal = closing.signal): Promise<boolean> => {
    const { directory, command, application, submitter } = job;
    const message = encodeAttempt({ tag, directory, command, application, submitter });
    const state = await connection.ask(signal, (client) => runScript(client, CREATE, [keys.attempt(tag)], [message]));
    if (state === "created" || state === "queued") {
      await connection.ask(signal, () => queue.add("attempt", null, carried(tag)));
    }
    return state === "created";
  };
  const confirm = async (tags: readonly string[], signal: AbortSignal): Promise<readonly string[]> => {
    const open: string[] = [];
    let silent: readonly string[] = [];
    for (let first = 0; first < tags.length; first += CONFIRMED_TOGETHER) {
      const some = tags.slice(first, first + CONFIRMED_TOGETHER);
      const own = [keys.leases, keys.heard, ...some.map(keys.attempt)];
      const answer = await connection.ask(signal, (client) => runScript(client, CONFIRM, own, []));
      const [waiting, notYet, unheard] = answer as readonly [readonly number[], readonly number[], readonly string[]];
      const jobs = waiting.map((number) => ({ name: "attempt", data: null, opts: carried(some[number - 1] ?? "") }));
      if (jobs.length > 0) await connection.ask(signal, () => queue.addBulk(jobs));
      open.push(...notYet.map((number) => some[number - 1] ?? ""));
      if (notYet.length > 0) silent = unheard;
    }
    if (silent.length > 0 && silentBefore.length === 0) {
      logger.info("Jobs wait until performers are heard that may have begun them before Redis was restarted", {
        jobs: open.length,
        performers: silent.join(", "),
      });
    }
    silentBefore = silent;
    return open;
  };

  /** Attempts that Redis still knows, as it was away when they were to be forgotten. */
  const unforgotten = new Set<string>();
  const forget = async (tag: string): Promise<void> => {
    await connection.ask(closing.signal, (client) => runScript(client, FORGET, [keys.attempt(tag)], []));
    unforgotten.delete(tag);
  };
  let stopForgetting: (() => void) | undefined;
  const forgetLater = (): void => {
    if (closing.signal.aborted) return;
    stopForgetting ??= clock.after(FORGET_AGAIN_MS, () => {
      stopForgetting = undefined;
      forgetAll().catch(forgetLater);
    });
  };
  const forgetAll = async (): Promise<void> => {
    for (const tag of unforgotten) await forget(tag);
  };

  const stopSweeping = sweepPerformers({ connection, keys, leaseMs, clock, logger, signal: closing.signal });

  const whileOpen = async <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    if (closing.signal.aborted) throw new SchedulerUnavailableError("The scheduler is closed");
    return work(AbortSignal.any([signal, closing.signal]));
  };

  return {
    capacity: CAPACITY,
    submit: (job, tag, signal) =>
      whileOpen(signal, (either) => {
        check(job, tag, options.isLocal);
        return follower.whileSubmitting(tag, job, async () => ({
          isNew: await hand(tag, job, either),
          answer: schedulerJobId(tag),
        }));
      }),
    find: (tag, signal) =>
      whileOpen(signal, async (either) => {
        if (!isTag(tag)) return undefined;
        const found = await connection.ask(either, (client) => client.exists(keys.attempt(tag)));
        return found === 0 ? undefined : schedulerJobId(tag);
      }),
    statuses: (ids, signal) =>
      whileOpen(signal, async (either) => {
        const tags = ids.filter(isTag);
        const seen = tags.length === 0 ? new Map() : await follower.look(tags, either);
        return new Map([...seen].map(([tag, status]) => [schedulerJobId(tag), status]));
      }),
    cancel: (id, signal) =>
      whileOpen(signal, async (either) => {
        if (!isTag(id)) return;
        const end = { type: "ended", outcome: { isOk: false, returnCode: null, reason: ENDED_BEFORE_START } } as const;
        const values = [id, encodeEnd(end), encodeNews({ tag: id, status: end }), keys.news, keys.cancellations];
        follower.giveUp(id);
        for (;;) {
          const answer = await connection.ask(either, (client) =>
            runScript(client, CANCEL, [keys.attempt(id)], values),
          );
          if (answer === "over") return;
          // What was handed over and is not known now may be told by a performer.
          if (answer === "unknown" && (await follower.isOver(id, either))) return;
          if (answer === "unconfirmed" && (await confirm([id], either)).length === 0) continue;
          await follower.untilEnded(id, either);
        }
      }),
    async forget(id) {
      if (!isTag(id) || closing.signal.aborted) return;
      follower.forget(id);
      unforgotten.add(id);
      await forget(id).catch((error: unknown) => {
        forgetLater();
        throw error;
      });
    },
    readFrom: (id, fileName, fromByte, maxBytes, signal) =>
      whileOpen(signal, (either) => logs.read(id, fileName, fromByte, maxBytes, either)),
    absence: () => connection.absence(),
    onReturn: (listener) => connection.onReturn(listener),
    async probe(signal) {
      try {
        const present = await connection.ask(signal, (client) => client.hVals(keys.performers));
        const info = await connection.ask(signal, (client) => client.info());
        // What needs rights, and a server that takes changes.
        await connection.ask(signal, (client) => runScript(client, LOOK, [keys.leases], []));
        await connection.ask(signal, (client) => client.publish(keys.probe, ""));
        const server = { isOk: true, text: `Redis answers; queue ${JSON.stringify(options.queue)}` };
        return [server, ...describeServer(info), ...describeMemory(info), ...describePerformers(present)];
      } catch (error) {
        return [{ isOk: false, text: messageOf(error) }];
      }
    },
    performers: (signal) => whileOpen(signal, (either) => listPerformers({ connection, keys, logger }, either)),
    listen: (listener) => follower.listen((tag, status) => listener(schedulerJobId(tag) as SchedulerJobId, status)),
    async close() {
      if (closing.signal.aborted) return;
      closing.abort(new SchedulerUnavailableError("The scheduler is closed"));
      stopSweeping();
      stopForgetting?.();
      follower.close();
      // The library would wait for a server that is away.
      void queue.close().catch(() => undefined);
      await connection.close();
    },
  };
}

/** What cannot be understood ends that job: nobody will move it, and others must not wait for it. */
function statusOf(
  state: string | undefined,
  running: string | undefined,
  result: string | undefined,
): SchedulerStatus | undefined {
  switch (state) {
    case undefined:
      return undefined;
    case "queued":
      return { type: "queued" };
    case "begun":
      return running === undefined ? { type: "queued" } : { type: "running" };
    case "ended":
      return endIn(result ?? "");
    default:
      return endedWithFault(`Redis has the job in the unknown state ${JSON.stringify(state)}`);
  }
}

function endIn(result: string): SchedulerStatus {
  try {
    return decodeEnd(result);
  } catch (error) {
    return endedWithFault(messageOf(error));
  }
}

function endedWithFault(reason: string): SchedulerStatus {
  return { type: "ended", outcome: { isOk: false, returnCode: null, reason } };
}

/** For the queue library. */
const carried = (tag: string) => ({ jobId: tag, removeOnComplete: true, removeOnFail: true });

function check(job: JobDescription, tag: AttemptTag, isLocal: boolean): void {
  if (isLocal) return checkJob(job, tag);
  if (!isTag(tag)) throw new SchedulerRefusedError(`tag: expected letters, digits and "-", got ${JSON.stringify(tag)}`);
  if (job.command.includes("\0")) throw new SchedulerRefusedError("command: contains a NUL character");
  if (!job.directory.startsWith("/") || job.directory.includes("\0")) {
    throw new SchedulerRefusedError(`directory: expected an absolute path, got ${JSON.stringify(job.directory)}`);
  }
}
