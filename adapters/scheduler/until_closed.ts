import { SchedulerUnavailableError } from "../../src/core/errors.ts";

/** What is asked of a scheduler, until it is closed. */
export interface UntilClosed {
  readonly closed: AbortSignal;
  /** Runs `work` with a signal that is also over when the scheduler is closed. */
  run<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  close(): void;
}

export function untilClosed(): UntilClosed {
  const closing = new AbortController();
  return {
    closed: closing.signal,
    async run(signal, work) {
      if (closing.signal.aborted) throw new SchedulerUnavailableError("The scheduler is closed");
      if (signal.aborted) throw new SchedulerUnavailableError("The call was called off");
      return await work(AbortSignal.any([signal, closing.signal]));
    },
    close: () => closing.abort(new SchedulerUnavailableError("The scheduler is closed")),
  };
}
