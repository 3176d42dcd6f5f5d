/** Time as the core and the actors see it, so that tests can move it by hand. */
export interface Clock {
  /** Milliseconds since 1970; may step when the system clock is set. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start; never goes back. For delays and durations. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`, which may be years. @returns a function that prevents it; calling it later is a no-op. */
  after(delayMs: number, run: () => void): () => void;
}
