import type { AttemptTag } from "../../src/core/ids.ts";
import type { AttemptEnd, AttemptQueue, OwnAttempt, Renewal, ResumedAttempt } from "../../src/ports/attempt_queue.ts";

/** A queue that does what a test says, for outages at a given moment. */
export interface ControlledQueue extends AttemptQueue {
  /** What the next questions for work bring. */
  readonly waiting: OwnAttempt[];
  /** What an earlier life has left. */
  readonly left: ResumedAttempt[];
  readonly started: readonly AttemptTag[];
  readonly ends: readonly (readonly [AttemptTag, AttemptEnd])[];
  readonly renewals: readonly { readonly held: number; readonly isDraining: boolean; readonly isUnbroken: boolean }[];
  hasLeft(): boolean;
  /** What the next renewal answers. */
  answer: Renewal;
  /** `resume` and `take` have no answer before this. */
  held: Promise<void> | undefined;
  /** Thrown by every method as long as it is there. */
  fault: Error | undefined;
  cancel(tag: AttemptTag): void;
  /** As after a loss of the link. */
  connected: () => void;
}

export function controlledQueue(leaseMs: number): ControlledQueue {
  const started: AttemptTag[] = [];
  const ends: [AttemptTag, AttemptEnd][] = [];
  const renewals: { held: number; isDraining: boolean; isUnbroken: boolean }[] = [];
  const listeners = new Set<(tag: AttemptTag) => void>();
  let wakeTaker = (): void => {};
  let hasLeft = false;
  const enter = (): void => {
    if (queue.fault !== undefined) throw queue.fault;
  };
  const queue: ControlledQueue = {
    ...{ leaseMs, waiting: [], left: [], started, ends, renewals },
    answer: { cancelled: [], lost: [], unclaimed: [] },
    held: undefined,
    fault: undefined,
    connected: () => undefined,
    hasLeft: () => hasLeft,
    cancel(tag) {
      for (const listener of listeners) listener(tag);
    },
    async take(mayBegin, _wantsMore, signal) {
      enter();
      const brought = queue.waiting.shift();
      if (brought !== undefined && mayBegin()) {
        await queue.held;
        return brought;
      }
      await new Promise<void>((resolve) => {
        wakeTaker = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      return undefined;
    },
    async resume() {
      await queue.held;
      enter();
      return queue.left;
    },
    async running(tag) {
      enter();
      started.push(tag);
    },
    async ended(tag, end) {
      enter();
      ends.push([tag, end]);
    },
    async renew(held, { isDraining }, isUnbroken) {
      enter();
      renewals.push({ held: held.length, isDraining, isUnbroken });
      const { answer } = queue;
      queue.answer = { cancelled: [], lost: [], unclaimed: [] };
      wakeTaker();
      return answer;
    },
    onConnected: (listener) => {
      queue.connected = listener;
      return () => undefined;
    },
    onCancel(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onLogAsked: () => () => {},
    release: () => {},
    async leave() {
      hasLeft = true;
    },
    async close() {},
  };
  return queue;
}
