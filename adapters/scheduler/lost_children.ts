import type { Clock } from "../../src/ports/clock.ts";

/** By the second look an end must have been told. */
const LOOK_MS = 10_000;

/** Finds the children whose end is never told: Bun loses such news now and then (oven-sh/bun#43697). */
export interface LostChildren<T> {
  watch(child: T): void;
  /** Its end is known, or of no interest any more. Idempotent. */
  leave(child: T): void;
  /** Watches nothing any more. */
  close(): void;
}

/**
 * @param isGone true for a child that does not live any more
 * @param onLost told of a child that was gone at two looks, 10 s apart, and again at each look until it is left
 */
export function lostChildren<T>(
  clock: Clock,
  isGone: (child: T) => boolean,
  onLost: (child: T) => void,
): LostChildren<T> {
  /** Those that were gone at the last look are true. */
  const watched = new Map<T, boolean>();
  let stopLooking: (() => void) | undefined;

  const look = (): void => {
    stopLooking = clock.after(LOOK_MS, look);
    for (const [child, wasGone] of [...watched]) {
      const isGoneNow = isGone(child);
      watched.set(child, isGoneNow);
      if (wasGone && isGoneNow) {
        onLost(child);
      }
    }
  };
  const leave = (child: T): void => {
    watched.delete(child);
    if (watched.size === 0) {
      stopLooking?.();
      stopLooking = undefined;
    }
  };
  return {
    watch(child) {
      watched.set(child, false);
      stopLooking ??= clock.after(LOOK_MS, look);
    },
    leave,
    close() {
      watched.clear();
      stopLooking?.();
      stopLooking = undefined;
    },
  };
}
