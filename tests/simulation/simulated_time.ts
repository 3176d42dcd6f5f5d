import type { Clock } from "../../src/ports/clock.ts";
import type { Random } from "../support/seeded_random.ts";

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

/** The clock of one daemon; it stops for good when its daemon is killed. */
export interface SeveredClock extends Clock {
  /** How many timers of this daemon wait. */
  readonly pending: number;
  sever(): void;
}

/**
 * Time that moves from one timer to the next. What is due at the same time comes in an order of chance, so that
 * nothing can rely on who asked first.
 */
export class SimulatedTime {
  readonly #random: Random;
  readonly #startMs = Date.UTC(2022, 0, 1);
  #elapsedMs = 0;
  #shiftMs = 0;
  #timers: Timer[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  get elapsedMs(): number {
    return this.#elapsedMs;
  }

  get wallMs(): number {
    return this.#startMs + this.#elapsedMs + this.#shiftMs;
  }

  /** Sets the wall clock, as an administrator or a time service does. */
  shiftWall(byMs: number): void {
    this.#shiftMs += byMs;
  }

  /** Calls `run` once after `delayMs`. @returns a function that prevents it */
  after(delayMs: number, run: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), run };
    this.#timers.push(timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index !== -1) this.#timers.splice(index, 1);
    };
  }

  /** A clock for one daemon. */
  clockOfDaemon(): SeveredClock {
    const cancels = new Set<() => void>();
    let isSevered = false;
    const time = this;
    return {
      nowMs: () => this.wallMs,
      monotonicMs: () => this.#elapsedMs,
      after(delayMs, run) {
        if (isSevered) return () => {};
        const cancelTimer = time.after(delayMs, () => {
          cancels.delete(cancel);
          run();
        });
        const cancel = (): void => {
          cancels.delete(cancel);
          cancelTimer();
        };
        cancels.add(cancel);
        return cancel;
      },
      get pending() {
        return cancels.size;
      },
      sever() {
        isSevered = true;
        for (const cancel of [...cancels]) cancel();
      },
    };
  }

  /** Fires one timer that is due until `untilMs`. @returns false when there is none; it is `untilMs` then */
  step(untilMs: number): boolean {
    let dueMs = Number.POSITIVE_INFINITY;
    let tied = 0;
    for (const timer of this.#timers) {
      if (timer.dueMs < dueMs) {
        dueMs = timer.dueMs;
        tied = 1;
      } else if (timer.dueMs === dueMs) {
        tied += 1;
      }
    }
    if (dueMs > untilMs) {
      this.#elapsedMs = untilMs;
      return false;
    }
    let skip = tied === 1 ? 0 : this.#random.int(tied);
    const index = this.#timers.findIndex((timer) => timer.dueMs === dueMs && skip-- === 0);
    const [timer] = this.#timers.splice(index, 1);
    this.#elapsedMs = dueMs;
    timer?.run();
    return true;
  }
}

/** Lets everything run that only waits for promises. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
