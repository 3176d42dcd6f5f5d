import { messageOf, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import type { JobDescription } from "../../../src/ports/scheduler.ts";

export interface AttemptFollowerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly leaseMs: number;
  /** What Redis says now, without those that it does not know. */
  readonly readStatuses: (tags: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, Sight>>;
  readonly submitAgain: (tag: string, job: JobDescription) => Promise<void>;
  /**
   * Tells a server that may have come back with old data which attempts do wait, and brings their tags again.
   *
   * @returns those of which that cannot be said yet
   */
  readonly confirm: (tags: readonly string[]) => Promise<readonly string[]>;
}

/** What Redis says about an attempt. */
export interface Sight {
  readonly status: SchedulerStatus;
  /** A performer has it, though its command need not run yet. */
  readonly hasBegun: boolean;
}

type Listener = (tag: string, status: SchedulerStatus) => void;

/**
 * What a daemon knows about the attempts that are its own. News are told at once and only once; news that were missed
 * are found by looking at all attempts now and then.
 */
export interface AttemptFollower {
  listen(listener: Listener): () => void;
  /** Something was published. */
  hear(tag: string, status: SchedulerStatus): void;
  /** A performer has begun an attempt; its command may run before that is told. */
  hearBegun(tag: string): void;
  /** Keeps news about an attempt back until the caller knows that it was submitted. */
  whileSubmitting<T>(tag: string, job: JobDescription, submit: () => Promise<Submission<T>>): Promise<T>;
  /** Asks for these attempts, and follows them from now on. */
  look(tags: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, SchedulerStatus>>;
  /** The link was lost and is there again. */
  reconnected(): void;
  /** Resolves when the attempt has ended as far as is known, and in any case after a moment. */
  untilEnded(tag: string, signal: AbortSignal): Promise<void>;
  /** It is not submitted again, whatever happens. */
  giveUp(tag: string): void;
  /** Of an attempt that Redis does not know: false while a performer may still tell that it has it. */
  isOver(tag: string, signal: AbortSignal): Promise<boolean>;
  forget(tag: string): void;
  close(): void;
}

export interface Submission<T> {
  /** False when Redis knew the attempt already. */
  readonly isNew: boolean;
  readonly answer: T;
}

interface Followed {
  /** What was told last. */
  told: SchedulerStatus["type"] | undefined;
  /** A performer has begun it; true before it is told that the command runs. */
  hasBegun: boolean;
  /** For attempts of this daemon's life. */
  job: JobDescription | undefined;
  /** Redis does not know it since then. */
  missingSinceMs: number | undefined;
  /** News that wait for the end of the submission. */
  held: SchedulerStatus[] | undefined;
  /** How often it still has to be confirmed that it waits. */
  confirmations: number;
}

/** The first time a performer may be about to put the tag away, that it was brought and may not begin. */
const CONFIRMATIONS = 2;

const LOOK_AGAIN_MS = 1_000;

export function attemptFollower(options: AttemptFollowerOptions): AttemptFollower {
  const { clock, logger, leaseMs } = options;
  const followed = new Map<string, Followed>();
  const listeners = new Set<Listener>();
  const endings = new Map<string, Set<() => void>>();
  const closing = new AbortController();
  let isLooking = false;

  const follow = (tag: string): Followed => {
    const known = followed.get(tag);
    if (known !== undefined) return known;
    const added = {
      told: undefined,
      hasBegun: false,
      job: undefined,
      missingSinceMs: undefined,
      held: undefined,
      confirmations: CONFIRMATIONS,
    };
    followed.set(tag, added);
    return added;
  };
  const tell = (tag: string, one: Followed, status: SchedulerStatus): void => {
    if (one.held !== undefined) {
      one.held.push(status);
      return;
    }
    if (status.type === "queued" || one.told === status.type || one.told === "ended") return;
    one.told = status.type;
    for (const listener of listeners) listener(tag, status);
    if (status.type === "ended") for (const wake of endings.get(tag) ?? []) wake();
  };

  /** An attempt that Redis has forgotten, when every performer has had the time to say that it has it. */
  const whenMissing = (tag: string, one: Followed): SchedulerStatus | undefined => {
    const nowMs = clock.monotonicMs();
    one.missingSinceMs ??= nowMs;
    // Nobody waits for a submission that is under way.
    if (one.held !== undefined || nowMs - one.missingSinceMs < leaseMs) return undefined;
    if (one.job !== undefined && one.told === undefined && !one.hasBegun) {
      logger.warn("Redis has lost a job that had not started; it is submitted again", { tag });
      options.submitAgain(tag, one.job).catch((error: unknown) => {
        logger.debug("A job could not be submitted again", { tag, reason: messageOf(error) });
      });
      one.missingSinceMs = undefined;
      return { type: "queued" };
    }
    const reason = "Redis has lost the job, and no performer has it";
    return { type: "ended", outcome: { isOk: false, returnCode: null, reason }, isInterrupted: true };
  };

  const confirm = (waiting: readonly string[]): void => {
    const due = waiting.filter((tag) => (followed.get(tag)?.confirmations ?? 0) > 0);
    if (due.length === 0) return;
    options.confirm(due).then(
      (open) => {
        const isOpen = new Set(open);
        for (const tag of due) {
          const one = followed.get(tag);
          if (one !== undefined && !isOpen.has(tag)) one.confirmations -= 1;
        }
        if (open.length > 0) lookSoon();
        else soonMs = LOOK_AGAIN_MS;
      },
      (error: unknown) => logger.debug("Waiting jobs could not be confirmed", { reason: messageOf(error) }),
    );
  };

  const look: AttemptFollower["look"] = async (tags, signal) => {
    const found = await options.readStatuses(tags, signal);
    const statuses = new Map<string, SchedulerStatus>();
    const waiting: string[] = [];
    for (const tag of tags) {
      const one = follow(tag);
      const seen = found.get(tag);
      const isWaiting = seen?.status.type === "queued" && !seen.hasBegun;
      const isForgotten = seen === undefined || (isWaiting && (one.told === "running" || one.hasBegun));
      if (!isForgotten) one.missingSinceMs = undefined;
      if (seen?.hasBegun === true) one.hasBegun = true;
      const said = isForgotten ? whenMissing(tag, one) : seen.status;
      if (said !== undefined) statuses.set(tag, said);
      if (!isForgotten && isWaiting && one.held === undefined) waiting.push(tag);
    }
    confirm(waiting);
    return statuses;
  };
  const lookAtAll = async (): Promise<void> => {
    const tags = [...followed].filter(([, { told, held }]) => told !== "ended" && held === undefined);
    if (tags.length === 0) return;
    const statuses = await look(
      tags.map(([tag]) => tag),
      closing.signal,
    );
    for (const [tag, status] of statuses) {
      const one = followed.get(tag);
      if (one !== undefined) tell(tag, one, status);
    }
  };
  const lookNow = (): void => {
    if (isLooking || closing.signal.aborted) return;
    isLooking = true;
    lookAtAll()
      .catch((error: unknown) => logger.debug("Could not look at jobs in Redis", { reason: messageOf(error) }))
      .finally(() => {
        isLooking = false;
      });
  };
  let stopLooking = clock.after(leaseMs / 3, lookAgain);
  function lookAgain(): void {
    lookNow();
    stopLooking = clock.after(leaseMs / 3, lookAgain);
  }

  let stopLookingSoon: (() => void) | undefined;
  let soonMs = LOOK_AGAIN_MS;
  /** Each time later, as performers may stay away for long and there may be many jobs. */
  function lookSoon(): void {
    if (stopLookingSoon !== undefined) return;
    stopLookingSoon = clock.after(soonMs, () => {
      stopLookingSoon = undefined;
      lookNow();
    });
    soonMs = Math.min(soonMs * 2, Math.max(LOOK_AGAIN_MS, leaseMs / 10));
  }

  return {
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    hear(tag, status) {
      const one = followed.get(tag);
      // Other daemons may share the queue.
      if (one !== undefined) tell(tag, one, status);
    },
    hearBegun(tag) {
      const one = followed.get(tag);
      if (one !== undefined) one.hasBegun = true;
    },
    async whileSubmitting(tag, job, submit) {
      const one = follow(tag);
      one.held ??= [];
      // The submission of a new one does that itself.
      one.confirmations = 0;
      try {
        const { isNew, answer } = await submit();
        // Only now: of a submission without an answer nobody may want another.
        one.job = job;
        if (!isNew) {
          one.confirmations = CONFIRMATIONS;
          lookSoon();
        }
        return answer;
      } finally {
        // Not before the caller has the answer.
        setImmediate(() => {
          const held = one.held ?? [];
          one.held = undefined;
          for (const status of held) tell(tag, one, status);
        });
      }
    },
    look,
    reconnected() {
      for (const one of followed.values()) one.confirmations = CONFIRMATIONS;
      soonMs = LOOK_AGAIN_MS;
      lookNow();
    },
    async untilEnded(tag, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = (): void => reject(new SchedulerUnavailableError("The command is still being ended"));
      const waiting = endings.get(tag) ?? new Set();
      endings.set(tag, waiting.add(resolve));
      const stop = clock.after(LOOK_AGAIN_MS, resolve);
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        signal.throwIfAborted();
        await promise;
      } finally {
        stop();
        signal.removeEventListener("abort", onAbort);
        waiting.delete(resolve);
        if (waiting.size === 0) endings.delete(tag);
      }
    },
    giveUp(tag) {
      const one = followed.get(tag);
      if (one !== undefined) one.job = undefined;
    },
    async isOver(tag, signal) {
      const told = followed.get(tag)?.told;
      if (!followed.has(tag) || told === "ended") return true;
      return (await look([tag], signal)).get(tag)?.type === "ended";
    },
    forget: (tag) => void followed.delete(tag),
    close() {
      closing.abort(new SchedulerUnavailableError("The scheduler is closed"));
      stopLooking();
      stopLookingSoon?.();
      listeners.clear();
      followed.clear();
    },
  };
}
