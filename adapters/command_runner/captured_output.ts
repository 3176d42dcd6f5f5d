import type { Readable } from "node:stream";
import type { CommandOutput } from "../../src/ports/command_runner.ts";

/** The start of an output, and the end of it when it comes. */
export interface CapturedOutput {
  /** Resolves when nobody can write any more, or reading was given up. */
  readonly ended: Promise<void>;
  /** What was kept so far. */
  read(): CommandOutput;
  /** Stops reading. Idempotent. */
  abandon(): void;
}

/** How many bytes are thrown away before the event loop has a turn for others. */
const DISCARDED_PER_TURN_BYTES = 1_000_000;

/**
 * Reads `source` to its end and keeps its first `maxBytes`, cut at a whole character.
 *
 * What comes after that is read as well, or the writer would wait for ever, but only so fast that other work goes on.
 */
export function captureOutput(source: Readable, maxBytes: number): CapturedOutput {
  const kept: Uint8Array[] = [];
  let keptBytes = 0;
  let isTruncated = false;
  let discardedBytes = 0;
  source.on("data", (chunk: Uint8Array) => {
    const room = maxBytes - keptBytes;
    if (room > 0) kept.push(chunk.subarray(0, room));
    keptBytes += Math.min(room, chunk.length);
    if (chunk.length <= room) return;
    isTruncated = true;
    discardedBytes += chunk.length;
    if (discardedBytes < DISCARDED_PER_TURN_BYTES) return;
    discardedBytes = 0;
    source.pause();
    setImmediate(() => source.resume());
  });
  const ended = new Promise<void>((resolve) => {
    source.once("close", resolve);
    source.once("end", resolve);
    // The pipe of a command that was killed may break; what was read before counts.
    source.once("error", () => resolve());
  });
  return {
    ended,
    read() {
      const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
      // A character that was cut in two at the limit is left out instead of replaced.
      return { text: decoder.decode(Buffer.concat(kept), { stream: isTruncated }), isTruncated };
    },
    abandon() {
      source.destroy();
    },
  };
}
