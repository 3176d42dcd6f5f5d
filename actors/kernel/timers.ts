import type { Clock } from "../../src/ports/clock.ts";

/** The keyed timers of one incarnation. */
export class Timers {
  readonly #clock: Clock;
  readonly #cancels = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onDue` once after `delayMs`, instead of the timer that `key` had. */
  start(key: string, delayMs: number, onDue: () => void): void {
    this.cancel(key);
    const cancel = this.#clock.after(delayMs, () => {
      this.#cancels.delete(key);
      onDue();
    });
    this.#cancels.set(key, cancel);
  }

  /** Nothing happens when `key` has no timer. */
  cancel(key: string): void {
    this.#cancels.get(key)?.();
    this.#cancels.delete(key);
  }

  cancelAll(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}
