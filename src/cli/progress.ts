import type { Clock } from "../ports/clock.ts";
import { formatBytes } from "./format_bytes.ts";

/** How far a transfer is, in one line that is written again and again. */
export interface Progress {
  add(bytes: number): void;
  /** Takes the line away. */
  end(): void;
}

const WIDTH = 24;
const EVERY_MS = 100;

/**
 * @param write to the terminal; undefined when there is none, and nothing is shown
 * @param totalBytes undefined when nobody knows
 */
export function progress(
  what: string,
  totalBytes: number | undefined,
  { write, clock }: { readonly write: ((text: string) => void) | undefined; readonly clock: Clock },
): Progress {
  if (write === undefined) return { add: () => undefined, end: () => undefined };
  let bytes = 0;
  let shownMs = Number.NEGATIVE_INFINITY;
  return {
    add(more) {
      bytes += more;
      if (clock.monotonicMs() - shownMs < EVERY_MS) return;
      shownMs = clock.monotonicMs();
      write(`\r\x1b[K${what} ${bar(bytes, totalBytes)}${formatBytes(bytes)}`);
    },
    end: () => write("\r\x1b[K"),
  };
}

function bar(bytes: number, totalBytes: number | undefined): string {
  if (totalBytes === undefined) return "";
  const part = totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes);
  const done = Math.floor(part * WIDTH);
  return `[${"#".repeat(done)}${".".repeat(WIDTH - done)}] ${String(Math.floor(part * 100)).padStart(3)} % `;
}
