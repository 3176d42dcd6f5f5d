import type { Clock } from "../ports/clock.ts";

/**
 * Lets one loop sleep until something happens. What happens while the loop is busy is kept as a single bit, however
 * often it happens: the loop has to look for itself what there is.
 */
export class WakeUp {
  readonly #clock: Clock;
  #isDue = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the sleep that is under way, or else the next one at once. */
  readonly ring = (): void => {
    this.#isDue = true;
    this.#wake?.();
  };

  /** @returns true when it was rung since the last sleep, false when `ms` have passed without */
  async sleep(ms: number): Promise<boolean> {
    if (!this.#isDue) {
      await new Promise<void>((resolve) => {
        const stop = this.#clock.after(ms, resolve);
        this.#wake = () => {
          stop();
          resolve();
        };
      });
      this.#wake = undefined;
    }
    const wasRung = this.#isDue;
    this.#isDue = false;
    return wasRung;
  }
}
