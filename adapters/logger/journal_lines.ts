import type { DestinationStream } from "pino";
import type { LogLevel } from "./log_levels.ts";

/** `PRIORITY` of the journal (sd-daemon(3)), so that `journalctl -p warning` finds the lines of a level. */
const PRIORITIES: Record<LogLevel, number> = { critical: 2, error: 3, warning: 4, info: 6, debug: 7, trace: 7 };

const LEVEL = /^\{"level":"([a-z]+)"/;

/** Writes each line behind its priority, which the journal takes off again: the message there is the JSON object. */
export function journalLines(write: (text: string) => void): DestinationStream {
  return {
    write(line) {
      const level = LEVEL.exec(line)?.[1];
      write(level !== undefined && level in PRIORITIES ? `<${PRIORITIES[level as LogLevel]}>${line}` : line);
    },
  };
}

/**
 * True when standard output is a stream of the journal.
 *
 * @param journalStream value of `JOURNAL_STREAM`: device and inode of that stream (systemd.exec(5))
 * @param output device and inode of standard output
 */
export function isJournal(
  journalStream: string | undefined,
  output: { readonly dev: number; readonly ino: number },
): boolean {
  return journalStream === `${output.dev}:${output.ino}`;
}
