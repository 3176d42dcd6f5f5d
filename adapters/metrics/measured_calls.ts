import { faultOf } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { overriding } from "./overriding.ts";

/** How a call ended: `retryable` for one that may succeed later, `failed` for a definite no or a defect. */
export type CallOutcome = "ok" | "retryable" | "failed";

/** Told about each call that has ended. Must not throw. */
export type CallObserver<T> = (operation: keyof T & string, outcome: CallOutcome, durationMs: number) => void;

/** `target`, but that `observe` is told how long each call of `operations` took. These must return promises. */
export function measuredCalls<T extends object>(
  target: T,
  operations: readonly (keyof T & string)[],
  clock: Clock,
  observe: CallObserver<T>,
): T {
  const measured = (operation: keyof T & string): readonly (readonly [string, unknown])[] => {
    const call: unknown = target[operation];
    if (typeof call !== "function") return [];
    const replacement = async (...args: readonly unknown[]): Promise<unknown> => {
      const startedMs = clock.monotonicMs();
      let outcome: CallOutcome = "ok";
      try {
        return await call.apply(target, args);
      } catch (error) {
        outcome = faultOf(error).retryable ? "retryable" : "failed";
        throw error;
      } finally {
        observe(operation, outcome, clock.monotonicMs() - startedMs);
      }
    };
    return [[operation, replacement]];
  };
  return overriding(target, Object.fromEntries(operations.flatMap(measured)) as Partial<T>);
}
