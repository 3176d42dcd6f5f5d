import { assertNever } from "../../src/core/assert_never.ts";
import { messageOf, SchedulerUnavailableError } from "../../src/core/errors.ts";
import type { SchedulerJobId } from "../../src/core/ids.ts";
import type { SchedulerStatus } from "../../src/core/job.ts";
import type { AttemptEnd, OwnAttempt } from "../../src/ports/attempt_queue.ts";
import type { ActorFactory } from "../kernel/actor.ts";
import { type Ending, endOf, isPassing } from "./attempt_ending.ts";
import { attemptLog } from "./attempt_log.ts";
import type { AttemptMessage } from "./performer_messages.ts";
import type { PerformerWorld } from "./performer_world.ts";

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 5_000;

/** The start of a command is not told that ends sooner: that would cost as much as to tell its end. */
const START_NEWS_MS = 20;

/** How long what a cancelled command has left is tried to be handed over. */
const CANCELLED_DELIVERY_MS = 30_000;

const TOO_LATE = "The command was not started, as the performer had heard nothing of Redis for too long";
const CALLED_OFF = "It was ended before its command was started";

/** So often a fault is told to administrators, when it goes on and on. */
const FAULTS_PER_WARNING = 20;

/**
 * Runs one attempt to its end: brings its files, starts the command, hands over what that has left and then how it
 * ended. In any life of the actor it begins at the beginning, where what was done already does nothing.
 *
 * @param takenAtMs when it became ours, on the monotonic clock; undefined for what an earlier performer has left
 */
export function attemptActor(
  world: PerformerWorld,
  own: OwnAttempt,
  takenAtMs: number | undefined,
): ActorFactory<AttemptMessage> {
  const { runner, queue, workplace } = world;
  const { tag } = own;
  return (ctx) => {
    const log = attemptLog(ctx, own, takenAtMs);
    let id: SchedulerJobId | undefined;
    let ending: Ending | undefined;
    /** What was told of any command before it was known which one is ours. */
    const early = new Map<SchedulerJobId, SchedulerStatus>();
    /** How the command ended. */
    let end: AttemptEnd | undefined;
    /** What the retry timer does. */
    let onRetry = (): void => {};
    let isWaiting = false;
    let retryMs = FIRST_RETRY_MS;
    let faults = 0;
    /** Calls off what is on its way, of files. */
    let transfer = new AbortController();
    let isPreparing = true;
    let isDeliveryLimited = false;

    const again = (what: string, error: unknown, retry: () => void): void => {
      const level = faults++ % FAULTS_PER_WARNING === FAULTS_PER_WARNING - 1 ? "warn" : "debug";
      ctx.logger[level](`${what}; it is tried again`, { reason: messageOf(error) });
      onRetry = retry;
      isWaiting = true;
      ctx.startTimer("retry", retryMs, { type: "retry_due" });
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
    };
    const succeeded = (): void => {
      retryMs = FIRST_RETRY_MS;
      faults = 0;
    };
    const callOff = (): void => {
      transfer.abort();
      if (isWaiting) ctx.startTimer("retry", 0, { type: "retry_due" });
    };
    const limitDelivery = (): void => {
      if (!isDeliveryLimited) ctx.startTimer("delivery", CANCELLED_DELIVERY_MS, { type: "delivery_over" });
      isDeliveryLimited = true;
    };
    const prepare = (): void => {
      const { signal: calledOff } = transfer;
      ctx.run(
        (signal) => workplace.prepare(own, AbortSignal.any([signal, calledOff])),
        (directory) => ({ type: "prepared", directory }),
        (error) => ({ type: "not_prepared", error }),
      );
    };
    const start = (directory: string): void => {
      ctx.run(
        async (signal) => {
          const hindrance = ending !== undefined ? CALLED_OFF : world.mayStart(tag) ? undefined : TOO_LATE;
          // What is there already is not started by that.
          if (hindrance !== undefined && (await runner.find(tag, signal)) === undefined) {
            throw new SchedulerUnavailableError(hindrance);
          }
          const started = await runner.submit({ ...own.job, directory }, tag, signal);
          const status = (await runner.statuses([started], signal)).get(started);
          return { id: started, status };
        },
        (started) => ({ type: "started", ...started }),
        (error) => ({ type: "not_started", error, directory }),
      );
    };
    /** Ends the command, or what it has left in the background. */
    const kill = (of: SchedulerJobId): void => {
      ctx.run(
        (signal) => runner.cancel(of, signal),
        () => ({ type: "dead" }),
        (error) => ({ type: "not_dead", error }),
      );
    };
    const tellStart = (): void => {
      ctx.run(
        (signal) => queue.running(tag, signal),
        () => ({ type: "start_told" }),
        // The end is told in any case.
        () => ({ type: "start_told" }),
      );
    };
    const deliver = (): void => {
      if (!workplace.isStaged || ending?.type === "lost") return report();
      if (ending?.type === "cancelled") limitDelivery();
      const { signal: calledOff } = transfer;
      ctx.run(
        (signal) => workplace.deliver(own, AbortSignal.any([signal, calledOff])),
        () => ({ type: "delivered" }),
        (error) => ({ type: "not_delivered", error }),
      );
    };
    const report = (): void => {
      const told = endOf(end, ending);
      log.ended(told, ending);
      if (told === undefined) return cleanUp();
      ctx.run(
        (signal) => queue.ended(tag, told, signal),
        () => ({ type: "reported" }),
        (error) => ({ type: "not_reported", error }),
      );
    };
    const cleanUp = (): void => {
      onRetry = () => ctx.stop();
      world.startIsOver(tag);
      if (id === undefined && !workplace.isStaged) return ctx.stop();
      ctx.run(
        async () => {
          if (id !== undefined) await runner.forget?.(id);
          await workplace.discard(tag);
        },
        () => ({ type: "retry_due" }),
        (error) => {
          ctx.logger.warn("What was here of a job is removed by the next performer", { reason: messageOf(error) });
          return { type: "retry_due" };
        },
      );
    };
    /** For commands that never began, or whose output nobody gets. */
    const fail = (reason: string): void => {
      const returnCode = end?.outcome.returnCode ?? null;
      end = { ...end, type: "ended", outcome: { isOk: false, returnCode, reason } };
      report();
    };
    const onEnded = (status: AttemptEnd): void => {
      if (end !== undefined) return;
      end = status;
      if (ending === undefined && world.wasEndedForUs(tag)) {
        ending = { type: "interrupted", reason: "The performer was away for too long, so that the command was ended" };
      }
      // Of one that is being ended nothing may live when that is told, and nothing may write what is being handed over;
      // `dead` says so.
      if (ending === undefined && !workplace.isStaged) report();
      else if (id !== undefined) kill(id);
    };
    const wish = (wanted: Ending): void => {
      if (ending?.type === "lost" || (ending !== undefined && wanted.type === "cancelled")) return;
      if (end !== undefined && wanted.type !== "lost") {
        if (wanted.type === "cancelled" && workplace.isStaged) limitDelivery();
        return;
      }
      const isKilling = ending !== undefined;
      ending = wanted;
      if (isPreparing || end !== undefined) callOff();
      else if (isWaiting) ctx.startTimer("retry", 0, { type: "retry_due" });
      if (wanted.type === "interrupted") world.noteEnding(tag);
      if (id !== undefined && end === undefined && !isKilling) kill(id);
    };

    const unlisten = runner.listen?.((about, status) => {
      if (id === undefined) early.set(about, status);
      else if (about === id) ctx.self.send({ type: "status", status });
    });
    prepare();
    return {
      receive(message) {
        switch (message.type) {
          case "prepared":
            succeeded();
            isPreparing = false;
            log.prepared(message.directory);
            transfer = new AbortController();
            return start(message.directory);
          case "not_prepared":
            if (ending !== undefined) return fail("It was ended while its files were being fetched");
            if (isPassing(message.error)) return again("The files of a job could not be had", message.error, prepare);
            return fail(`The files of the job could not be had: ${messageOf(message.error)}`);
          case "started":
            succeeded();
            id = message.id;
            log.started();
            for (const status of [message.status, early.get(id)]) {
              if (status?.type === "ended") return onEnded(status);
            }
            early.clear();
            ctx.startTimer("start", START_NEWS_MS, { type: "start_news_due" });
            if (ending !== undefined) kill(id);
            return;
          case "not_started":
            if (isPassing(message.error) && ending === undefined) {
              return again("A command could not be started", message.error, () => start(message.directory));
            }
            return fail(messageOf(message.error));
          case "start_news_due":
            return end === undefined ? tellStart() : undefined;
          case "status":
            return message.status.type === "ended" ? onEnded(message.status) : undefined;
          case "cancel":
            return wish({ type: "cancelled" });
          case "interrupt":
            return wish({ type: "interrupted", reason: message.reason });
          case "lost":
            return wish({ type: "lost" });
          case "dead":
            succeeded();
            if (end !== undefined) return deliver();
            // Its end has been told to nobody yet.
            return prepare();
          case "not_dead":
            return again("A command could not be ended", message.error, () => {
              if (id !== undefined) kill(id);
            });
          case "delivered":
            succeeded();
            ctx.cancelTimer("delivery");
            return report();
          case "not_delivered":
            if (ending?.type === "lost") return cleanUp();
            if (!transfer.signal.aborted && isPassing(message.error)) {
              return again("What a command has left could not be handed over", message.error, deliver);
            }
            ctx.cancelTimer("delivery");
            return fail(`What the command has left could not be handed over: ${messageOf(message.error)}`);
          case "delivery_over":
            return callOff();
          case "reported":
            return cleanUp();
          case "not_reported":
            return again("The end of a command could not be told", message.error, report);
          case "retry_due":
            isWaiting = false;
            return onRetry();
          case "start_told":
            return;
          default:
            return assertNever(message);
        }
      },
      onStop: () => unlisten?.(),
    };
  };
}
