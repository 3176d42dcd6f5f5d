import { randomBytes } from "node:crypto";
import { Job, type Worker } from "bullmq";
import { messageOf, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";

/** A tag that the queue library has brought. It brings it again when nobody answers. */
export interface Delivery {
  readonly tag: string;
  /**
   * Tells the library what became of it, without waiting for that: what the queue thinks is of no account any more, a
   * fault only brings the tag once more.
   *
   * @param answer `later` leaves the tag to whoever asks next
   * @param wantsNext brings the next tag with the same trip; the next question gets it
   */
  settle(answer: "done" | "later", wantsNext: boolean): void;
}

/** Takes tags from the queue by hand: what runs when, and for how long, is not the library's to say. */
export interface TagDeliveries {
  /** Waits a few seconds for a tag. @throws {SchedulerUnavailableError} when there is no answer */
  next(signal: AbortSignal): Promise<Delivery | undefined>;
  /**
   * Settles it as done, with the next trip to the server or after a moment: when its command has ended by then, the same
   * trip brings the next tag.
   */
  settleSoon(delivery: Delivery): void;
  /** The end of a command is being told. */
  ended(tag: string): void;
  /** Leaves what was brought and not asked for to others, and brings no more than is asked for. */
  release(): void;
}

/** Long enough for quick commands, whose end would cost as much as all the rest. */
const SOON_MS = 20;

export function tagDeliveries(worker: Worker, clock: Clock, logger: Logger): TagDeliveries {
  /** What answers have brought. */
  const prefetched: Promise<Delivery | undefined>[] = [];
  /** By tag. */
  const unsettled = new Map<string, (isEnded: boolean) => void>();
  let isReleased = false;

  const deliveryOf = (job: Job, token: string): Delivery => ({
    tag: job.id ?? "",
    settle(answer, wantsNext) {
      const settled = answer === "later" ? job.moveToWait(token) : job.moveToCompleted(null, token, wantsNext);
      const next = settled.then(
        (brought) => {
          const [data, id] = Array.isArray(brought) ? brought : [];
          return data === undefined || data === null || id === undefined
            ? undefined
            : deliveryOf(Job.fromJSON(worker, data, id), token);
        },
        (error: unknown) => {
          logger.debug("The queue did not take an answer", { tag: job.id, reason: messageOf(error) });
          return undefined;
        },
      );
      if (answer === "done" && wantsNext) prefetched.push(next);
    },
  });

  return {
    async next(signal) {
      const calledOff = Promise.withResolvers<never>();
      const onAbort = (): void => calledOff.reject(new Error("The call was called off", { cause: signal.reason }));
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        for (let waiting = prefetched[0]; waiting !== undefined; waiting = prefetched[0]) {
          const brought = await Promise.race([waiting, calledOff.promise]);
          prefetched.shift();
          if (brought !== undefined) return brought;
        }
        const token = randomBytes(12).toString("hex");
        // The library waits for a server that is away. What it brings too late is brought again, to whoever asks then.
        const job = await Promise.race([worker.getNextJob(token, { block: true }), calledOff.promise]);
        return job === undefined ? undefined : deliveryOf(job, token);
      } catch (error) {
        throw new SchedulerUnavailableError(`Redis did not answer: ${messageOf(error)}`, error);
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    },
    settleSoon(delivery) {
      const stop = clock.after(SOON_MS, () => settle(false));
      const settle = (isEnded: boolean): void => {
        stop();
        unsettled.delete(delivery.tag);
        delivery.settle("done", isEnded && !isReleased);
      };
      unsettled.set(delivery.tag, settle);
    },
    ended: (tag) => unsettled.get(tag)?.(true),
    release() {
      isReleased = true;
      for (const each of prefetched.splice(0)) void each.then((brought) => brought?.settle("later", false));
    },
  };
}
