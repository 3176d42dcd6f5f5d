import process from "node:process";
import { createInterface } from "node:readline/promises";
import type { Screen } from "./context.ts";

/** Asks on the terminal. @returns true for `y` or `yes` */
export async function askOnTerminal(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^\s*y(es)?\s*$/i.test(await terminal.question(`${question} [y/N] `));
  } finally {
    terminal.close();
  }
}

/** The terminal of this process. */
export function terminalScreen(): Screen {
  const { stdin, stdout } = process;
  return {
    size: () => ({ rows: stdout.rows ?? 24, columns: stdout.columns ?? 80 }),
    onKey(listener) {
      const onData = (data: Buffer): void => {
        for (const key of data.toString("utf8")) listener(key);
      };
      stdin.setRawMode(true);
      stdin.on("data", onData);
      stdin.resume();
      return () => {
        stdin.off("data", onData);
        stdin.setRawMode(false);
        stdin.pause();
      };
    },
  };
}
