import { assertNever } from "../../src/core/assert_never.ts";
import { messageOf } from "../../src/core/errors.ts";
import { type AttemptTag, parseAttemptTag } from "../../src/core/ids.ts";
import {
  type AttemptEnd,
  type OwnAttempt,
  QueueDownError,
  type ResumedAttempt,
} from "../../src/ports/attempt_queue.ts";
import type { ActorFactory, ActorRef } from "../kernel/actor.ts";
import { actor } from "../kernel/child_spec.ts";
import { attemptActor } from "./attempt_actor.ts";
import { type AttemptMessage, attemptsName, type PerformerMessage } from "./performer_messages.ts";
import type { PerformerWorld } from "./performer_world.ts";

/** How often the lease is renewed while it lasts; some may be lost. */
const RENEWALS_PER_LEASE = 6;
const RENEWAL_RETRY_MS = 500;
const TAKE_RETRY_MS = 500;

const FORGOTTEN: AttemptEnd = {
  type: "ended",
  outcome: {
    isOk: false,
    returnCode: null,
    reason: "Redis was restarted, and nobody knows whether the command had run",
  },
  isInterrupted: true,
};

/**
 * Keeps the lease of a performer, takes as many attempts as it has room for, and ends all of them in time when the
 * lease cannot be renewed: before anybody else may take them for lost.
 */
export function performerActor(world: PerformerWorld): ActorFactory<PerformerMessage> {
  const { queue, runner, workplace } = world;
  return (ctx) => {
    const { clock } = ctx;
    const attempts = new Map<AttemptTag, { readonly own: OwnAttempt; readonly ref: ActorRef<AttemptMessage> }>();
    /** When the lease was last asked for with success, or nobody could have ended it. */
    let leasedAtMs = Number.NEGATIVE_INFINITY;
    /** The same, by the word of the server alone. */
    let renewedAtMs = Number.NEGATIVE_INFINITY;
    let isResumed = false;
    /** True while it is not known yet whether an earlier life has left something. */
    let isResuming = false;
    let isTaking = false;
    /** True when the attempt that was asked for may be ours already. */
    let isBeginning = false;
    let isSilent = false;
    /** True when the lease is given back; it must not be taken again. */
    let isLeaving = false;
    let drained: (() => void) | undefined;
    /** Why all commands are ended, also those that are still on their way to us. */
    let endReason: string | undefined;

    const fenceMs = queue.leaseMs - world.endingMs;
    const hasLease = (): boolean => clock.monotonicMs() - leasedAtMs < fenceMs;
    const mayBegin = (): boolean => drained === undefined && hasLease() && world.hasRoom();

    const resume = (): void => {
      isResuming = true;
      ctx.run(
        async (signal) => {
          const records = await world.records();
          const here = new Set([...records, ...workplace.tags()]);
          const own = await provenOf(await queue.resume(signal), (tag) => here.has(tag), signal);
          const tags = new Set(own.map(({ tag }) => tag));
          // Nobody waits for these any more, and others may have begun anew.
          for (const tag of records) if (!tags.has(tag)) await endRecord(tag, signal);
          for (const tag of workplace.tags()) if (!tags.has(tag)) await workplace.discard(tag);
          return own;
        },
        (found) => ({ type: "resumed", attempts: found }),
        (error) => ({ type: "not_resumed", error }),
      );
    };
    /** Those that are certain to be ours, or of which something is here; nobody knows of the others whether they ran. */
    const provenOf = async (
      said: readonly ResumedAttempt[],
      isHere: (tag: AttemptTag) => boolean,
      signal: AbortSignal,
    ): Promise<readonly OwnAttempt[]> => {
      const proven = said.filter(({ tag, isCertain }) => isCertain || isHere(tag));
      for (const own of said) if (!proven.includes(own)) await queue.ended(own.tag, FORGOTTEN, signal);
      return proven;
    };
    const endRecord = async (tag: AttemptTag, signal: AbortSignal): Promise<void> => {
      const id = await runner.find(tag, signal);
      if (id === undefined) return;
      const status = (await runner.statuses([id], signal)).get(id);
      await runner.cancel(id, signal);
      const end = (await runner.statuses([id], signal)).get(id);
      // Nobody wants to hear of it, unless the server has forgotten that it had begun, and would let it begin again.
      if (end?.type === "ended") {
        const isInterrupted = status?.type === "running" || (!end.outcome.isOk && world.wasEndedForUs(tag));
        await queue.ended(tag, isInterrupted ? { ...end, isInterrupted } : end, signal);
      }
      await runner.forget?.(id);
      if (status?.type === "running") ctx.logger.info("A command of an earlier performer was ended", { tag });
    };
    const renew = (): void => {
      const askedAtMs = clock.monotonicMs();
      const held = [...attempts.values()].map(({ own }) => own);
      const presence = { running: held.length, isDraining: drained !== undefined || !world.hasRoom() };
      const isUnbroken = askedAtMs - renewedAtMs < queue.leaseMs;
      ctx.run(
        (signal) => queue.renew(held, presence, isUnbroken, signal),
        (renewal) => ({ type: "renewed", renewal, askedAtMs }),
        (error) => ({ type: "not_renewed", error }),
      );
    };
    const extend = (fromMs: number): void => {
      leasedAtMs = Math.max(leasedAtMs, fromMs);
      const leftMs = Math.max(0, leasedAtMs + fenceMs - clock.monotonicMs());
      world.mayLiveFor(leftMs);
      ctx.startTimer("fence", leftMs, { type: "lease_ends" });
    };
    const begin = (own: OwnAttempt, takenAtMs: number | undefined): void => {
      const { tag } = own;
      const children = ctx.find(attemptsName(world.name));
      if (children === undefined || attempts.has(tag)) return;
      const ref = children.startChild(
        actor({
          id: tag,
          restart: "transient",
          factory: attemptActor(world, own, takenAtMs),
          shutdownMs: 1_000,
          logFields: { destination: world.name, job: parseAttemptTag(tag)?.id, tag },
        }),
      );
      attempts.set(tag, { own, ref });
      if (endReason !== undefined) ref.send({ type: "interrupt", reason: endReason });
      ctx.watch(ref, () => ({ type: "attempt_over", tag }));
    };
    /** What was begun in our name by a question whose answer did not arrive. */
    const claim = (unclaimed: readonly AttemptTag[]): void => {
      const missed = unclaimed.filter((tag) => !attempts.has(tag));
      if (missed.length === 0 || isBeginning) return;
      ctx.run(
        async (signal) => {
          const own = await queue.resume(signal);
          return await provenOf(
            own.filter(({ tag }) => missed.includes(tag)),
            () => false,
            signal,
          );
        },
        (own) => ({ type: "claimed", attempts: own }),
        // The next renewal tells of them again.
        () => ({ type: "claimed", attempts: [] }),
      );
    };
    const takeMore = (): void => {
      if (isTaking || !isResumed || !mayBegin() || attempts.size >= world.capacity) return;
      isTaking = true;
      const beginning = (): boolean => {
        isBeginning = mayBegin();
        return isBeginning;
      };
      ctx.run(
        (signal) => queue.take(beginning, attempts.size + 1 < world.capacity, signal),
        (attempt) => ({ type: "taken", attempt }),
        (error) => ({ type: "not_taken", error }),
      );
    };
    const leaveWhenDrained = (): void => {
      if (drained === undefined || attempts.size > 0 || isBeginning || isResuming || isLeaving) return;
      isLeaving = true;
      ctx.cancelTimer("renew");
      ctx.cancelTimer("resume");
      ctx.run(
        () => queue.leave(),
        () => ({ type: "left" }),
        // Others will find out by themselves.
        () => ({ type: "left" }),
      );
    };
    const sendAll = (message: AttemptMessage): void => {
      for (const { ref } of attempts.values()) ref.send(message);
    };

    const stopRenewing = queue.onConnected(() => ctx.self.send({ type: "connected" }));
    const stopListening = queue.onCancel((tag) => ctx.self.send({ type: "cancellation", tag }));
    const stopAnswering = queue.onLogAsked(async (tag, ...part) => {
      const own = attempts.get(tag)?.own;
      return own === undefined ? undefined : await workplace.readFrom(own, ...part);
    });
    resume();
    return {
      receive(message) {
        switch (message.type) {
          case "resumed":
            isResumed = true;
            isResuming = false;
            for (const own of message.attempts) begin(own, undefined);
            if (message.attempts.length > 0) {
              const tags = message.attempts.map(({ tag }) => tag);
              ctx.logger.info("Commands of an earlier performer were taken over", { tags });
            }
            leaveWhenDrained();
            return isLeaving ? undefined : renew();
          case "not_resumed":
            isResuming = false;
            ctx.startTimer("resume", RENEWAL_RETRY_MS, { type: "resume_due" });
            return leaveWhenDrained();
          case "resume_due":
            return resume();
          case "renewal_due":
            return renew();
          case "connected":
            // Before a server that has forgotten something lets others begin what runs here.
            return isResumed && !isLeaving ? renew() : undefined;
          case "renewed": {
            if (isLeaving) return;
            if (isSilent) ctx.logger.info("The lease of the performer is renewed again");
            isSilent = false;
            renewedAtMs = message.askedAtMs;
            extend(message.askedAtMs);
            ctx.startTimer("renew", queue.leaseMs / RENEWALS_PER_LEASE, { type: "renewal_due" });
            for (const tag of message.renewal.cancelled) attempts.get(tag)?.ref.send({ type: "cancel" });
            for (const tag of message.renewal.lost) attempts.get(tag)?.ref.send({ type: "lost" });
            claim(message.renewal.unclaimed);
            return takeMore();
          }
          case "claimed":
            for (const own of message.attempts) {
              if (isLeaving || attempts.size >= world.capacity) return;
              ctx.logger.info("A job is ours whose beginning was not answered", { tag: own.tag });
              begin(own, clock.monotonicMs());
            }
            return;
          case "not_renewed":
            if (isLeaving) return;
            // Nobody was told anything meanwhile, so nobody can take our attempts for lost.
            if (message.error instanceof QueueDownError) extend(message.error.atMs);
            if (!isSilent) ctx.logger.warn("The lease could not be renewed", { reason: messageOf(message.error) });
            isSilent = true;
            return ctx.startTimer("renew", Math.min(RENEWAL_RETRY_MS, queue.leaseMs / RENEWALS_PER_LEASE), {
              type: "renewal_due",
            });
          case "lease_ends": {
            if (attempts.size === 0) return;
            const silentS = Math.round((clock.monotonicMs() - leasedAtMs) / 1000);
            const reason = `The performer heard nothing of Redis for ${silentS} s and ended the command`;
            ctx.logger.warn("The lease is about to end, and all commands with it", { commands: attempts.size });
            return sendAll({ type: "interrupt", reason });
          }
          case "take_due":
            return takeMore();
          case "taken":
            isTaking = false;
            isBeginning = false;
            if (message.attempt !== undefined) begin(message.attempt, clock.monotonicMs());
            if (drained !== undefined) queue.release();
            leaveWhenDrained();
            return takeMore();
          case "not_taken":
            isTaking = false;
            isBeginning = false;
            ctx.logger.debug("No job could be taken", { reason: messageOf(message.error) });
            leaveWhenDrained();
            return ctx.startTimer("take", TAKE_RETRY_MS, { type: "take_due" });
          case "cancellation":
            attempts.get(message.tag)?.ref.send({ type: "cancel" });
            return;
          case "attempt_over":
            attempts.delete(message.tag);
            leaveWhenDrained();
            return takeMore();
          case "drain":
            drained = message.drained;
            queue.release();
            if (attempts.size > 0) {
              ctx.logger.info("The performer waits for these jobs", { tags: [...attempts.keys()] });
              // Administrators see at once that it takes no more.
              renew();
            }
            return leaveWhenDrained();
          case "end_all":
            endReason = message.reason;
            return sendAll({ type: "interrupt", reason: message.reason });
          case "left":
            return drained?.();
          default:
            return assertNever(message);
        }
      },
      onStop() {
        stopRenewing();
        stopListening();
        stopAnswering();
      },
    };
  };
}
