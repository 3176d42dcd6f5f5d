const closers: (() => Promise<void>)[] = [];

/** Calls `close` when all files of tests are through: for servers that files share, as they take long to start. */
export function atEndOfRun(close: () => Promise<void>): void {
  closers.push(close);
}

/** For `preload.ts`. */
export async function endRun(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}
