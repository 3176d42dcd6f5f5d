import type { Clock } from "../../src/ports/clock.ts";
import { afterLong } from "./long_timer.ts";

/** The clock of the machine. */
export function systemClock(): Clock {
  const timers = {
    monotonicMs: () => performance.now(),
    after(delayMs: number, run: () => void) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
  };
  return {
    nowMs: () => Date.now(),
    monotonicMs: timers.monotonicMs,
    after: (delayMs, run) => afterLong(timers, delayMs, run),
  };
}
