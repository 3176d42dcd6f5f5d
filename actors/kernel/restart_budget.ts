/** How often children may be started again, and how fast. Printed for operators, so it is plain data. */
export interface RestartBudget {
  /** Restarts that are allowed in any window of `withinMs`; 0 escalates the first crash. */
  readonly maxRestarts: number;
  readonly withinMs: number;
  readonly backOff: BackOff;
}

/** Delay before a restart: `initialMs`, then `factor` times the one before, at most `maxMs`. */
export interface BackOff {
  /** 0 restarts without delay. */
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** What was spent of a budget; starts as {@link NO_RESTARTS}. */
export interface RestartHistory {
  /** When the restarts of the last `withinMs` were due, on the monotonic clock. */
  readonly dueMs: readonly number[];
  /** Restarts since the last quiet `withinMs`; sets the back-off. */
  readonly streak: number;
}

export const NO_RESTARTS: RestartHistory = { dueMs: [], streak: 0 };

/** Answer to a wish to restart. */
export type Verdict =
  | { readonly type: "restart"; readonly delayMs: number; readonly history: RestartHistory }
  | { readonly type: "exhausted" };

/**
 * Decides whether one more restart is within the budget, and how long it has to wait. Pure.
 *
 * A restart counts at the time when it is due, not when the crash came, so a long back-off cannot outlive the window
 * that should stop the loop. The delay is forgotten only after a whole window without a restart.
 */
export function spend(budget: RestartBudget, history: RestartHistory, nowMs: number): Verdict {
  const recentMs = history.dueMs.filter((dueMs) => dueMs > nowMs - budget.withinMs);
  if (recentMs.length >= budget.maxRestarts) return { type: "exhausted" };
  const streak = recentMs.length === 0 ? 0 : history.streak;
  const { initialMs, factor, maxMs } = budget.backOff;
  // Without this, 0 times a factor that grew to infinity would be no number.
  const delayMs = initialMs === 0 ? 0 : Math.min(maxMs, initialMs * factor ** streak);
  return { type: "restart", delayMs, history: { dueMs: [...recentMs, nowMs + delayMs], streak: streak + 1 } };
}
