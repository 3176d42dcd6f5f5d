import type { Clock } from "../../src/ports/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that stands still until a test moves it. Timers fire in the order of their due times. */
export class ManualClock implements Clock {
  #startMs: number;
  #elapsedMs = 0;
  #order = 0;
  #timers: Timer[] = [];
  /** How much work outside goes on, and how much is over. */
  #outside = 0;
  #done = 0;

  constructor(startMs = Date.UTC(2022, 0, 1)) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  /** Sets the date as an administrator does; no time passes. */
  step(byMs: number): void {
    this.#startMs += byMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Delay until the next timer fires; undefined when none waits. */
  nextInMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.dueMs - this.#elapsedMs;
  }

  /** Lets no time pass until `work`, real input or output, is done: however slow a disk is, the same happens. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#outside += 1;
    try {
      return await work;
    } finally {
      this.#outside -= 1;
      this.#done += 1;
    }
  }

  /**
   * Moves time on and fires what becomes due, letting promises, and work that is known to be {@link during}, settle
   * before and after each timer.
   */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#elapsedMs + byMs;
    await this.#settle();
    for (let next = this.#next(); next !== undefined && next.dueMs <= untilMs; next = this.#next()) {
      const due = next;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#elapsedMs = Math.max(this.#elapsedMs, due.dueMs);
      due.run();
      await this.#settle();
    }
    this.#elapsedMs = untilMs;
    await this.#settle();
  }

  async #settle(): Promise<void> {
    // What is done in the middle of it still has consequences.
    for (let done = -1; this.#outside > 0 || done !== this.#done; ) {
      done = this.#done;
      await settle();
    }
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) {
        next = timer;
      }
    }
    return next;
  }
}

/** Lets everything run that only waits for promises. Real input and output is not waited for. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
