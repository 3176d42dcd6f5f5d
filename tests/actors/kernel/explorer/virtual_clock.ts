import type { Clock } from "../../../../src/ports/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

/** A clock of one party, so that the timers which each of them left can be told apart. */
export interface ClockView extends Clock {
  readonly pending: number;
}

/**
 * Time that moves only by {@link advance}. Quicker than the clock of the other tests, as an exploration takes very many
 * steps.
 */
export class VirtualClock {
  #nowMs = 0;
  #timers: Timer[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  view(): ClockView {
    const own = new Set<Timer>();
    return {
      nowMs: () => this.#nowMs,
      monotonicMs: () => this.#nowMs,
      after: (delayMs, run) => {
        const timer = {
          dueMs: this.#nowMs + Math.max(0, delayMs),
          run: () => {
            own.delete(timer);
            run();
          },
        };
        own.add(timer);
        this.#timers.push(timer);
        return () => {
          if (own.delete(timer)) this.#timers.splice(this.#timers.indexOf(timer), 1);
        };
      },
      get pending() {
        return own.size;
      },
    };
  }

  /** Moves on by `byMs`; all promises settle, and `onQuiet` is called, at the start and after each timer. */
  async advance(byMs: number, onQuiet: () => void): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      onQuiet();
      const next = this.#timers.reduce<Timer | undefined>(
        (first, timer) => (first === undefined || timer.dueMs < first.dueMs ? timer : first),
        undefined,
      );
      if (next === undefined || next.dueMs > untilMs) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.#nowMs = next.dueMs;
      next.run();
    }
    this.#nowMs = untilMs;
  }
}
