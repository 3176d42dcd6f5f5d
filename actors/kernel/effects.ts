/** What became of an effect. */
export type Settled<T> = { readonly isOk: true; readonly value: T } | { readonly isOk: false; readonly error: unknown };

/** The slow work that one incarnation has under way. */
export class Effects {
  readonly #running = new Set<AbortController>();

  /** How many have not settled yet. */
  get running(): number {
    return this.#running.size;
  }

  /** Calls `effect` at once and `onSettled` when its promise is settled; a throw counts as a rejection. */
  start<T>(effect: (signal: AbortSignal) => Promise<T>, onSettled: (outcome: Settled<T>) => void): void {
    const controller = new AbortController();
    this.#running.add(controller);
    const settle = (outcome: Settled<T>) => {
      this.#running.delete(controller);
      onSettled(outcome);
    };
    Promise.try(effect, controller.signal).then(
      (value) => settle({ isOk: true, value }),
      (error: unknown) => settle({ isOk: false, error }),
    );
  }

  /** Aborts the signals; the effects count as running until they settle. */
  abortAll(reason: Error): void {
    for (const controller of this.#running) controller.abort(reason);
  }
}
