import process from "node:process";

/** Calls `stop` on the first `SIGTERM` or `SIGINT`, and `again` on each further one. @returns a function that ends it. */
export function onStopSignals(stop: (signal: string) => void, again: (signal: string) => void): () => void {
  let count = 0;
  const handler = (signal: string): void => {
    count += 1;
    if (count === 1) stop(signal);
    else again(signal);
  };
  process.on("SIGTERM", handler);
  process.on("SIGINT", handler);
  return () => {
    process.off("SIGTERM", handler);
    process.off("SIGINT", handler);
  };
}

/** Calls `reload` on each `SIGHUP`, which otherwise ends the process. */
export function onReloadSignal(reload: () => void): void {
  process.on("SIGHUP", reload);
}

/**
 * Reports what nobody caught and then ends the process: carrying on in an unknown state would be worse than a
 * restart. Must be installed before anything else runs.
 */
export function onUncaught(report: (error: unknown) => void): void {
  const handler = (error: unknown): void => {
    report(error);
    process.exit(1);
  };
  process.on("uncaughtException", handler);
  process.on("unhandledRejection", handler);
}
