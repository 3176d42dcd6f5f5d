import type { Clock } from "../../src/ports/clock.ts";

/** Waits for the end of a command, its time or a signal, whichever is first. */
export function firstOf<T>(
  exited: Promise<T>,
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<T | "late" | "aborted"> {
  return new Promise((resolve) => {
    const settle = (result: T | "late" | "aborted"): void => {
      stop();
      signal.removeEventListener("abort", onAbort);
      resolve(result);
    };
    const onAbort = (): void => settle("aborted");
    const stop = clock.after(timeoutMs, () => settle("late"));
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    exited.then(settle);
  });
}
