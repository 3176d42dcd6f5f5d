import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import type { Clock } from "../../src/ports/clock.ts";
import { captureOutput } from "../command_runner/captured_output.ts";
import { abortable } from "./abortable.ts";
import type { ChannelUse } from "./channel_slots.ts";
import type { RemoteEnd } from "./remote_process.ts";
import { afterMark, markStatement, scriptLine } from "./remote_script.ts";
import type { SshConnection } from "./ssh_connection.ts";

/** A script for `/bin/sh` on another host. */
export interface RemoteScript<T> {
  readonly connection: SshConnection;
  readonly clock: Clock;
  /** Statements; messages of programs are in English. */
  readonly script: string;
  readonly use: ChannelUse;
  /** What the script reads. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** Reads the whole output. */
  readonly read: (output: Readable) => Promise<T>;
  /** A script that moves no byte for so long is given up. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** What came of a script. */
export interface ScriptResult<T> {
  readonly end: RemoteEnd;
  /** Undefined when reading the output failed; see `fault`. */
  readonly value: T | undefined;
  /** Why the output could not be read. */
  readonly fault: unknown;
  readonly stderr: string;
  /** False when the login shell ended before the script began. */
  readonly hasBegun: boolean;
}

const MAX_STDERR_BYTES = 10_000;

/**
 * Runs a script to its end, with input and output as streams. The signal ends it at once: its channel is closed, and
 * what reads or writes there ends of that.
 *
 * @throws the reason of the signal, what the input throws, or what {@link SshConnection.exec} throws
 */
export async function runScript<T>(script: RemoteScript<T>): Promise<ScriptResult<T>> {
  const { connection, clock, input, read, stallMs, signal, use } = script;
  const mark = randomBytes(8).toString("hex");
  const line = scriptLine(`LC_ALL=C; export LC_ALL; ${markStatement(mark, "begun")}; ${script.script}`);
  const process = await connection.exec(line, use, signal);
  let hasBegun = false;
  const stalled = new AbortController();
  let stop = (): void => undefined;
  const onProgress = (): void => {
    stop();
    stop = clock.after(stallMs, () =>
      stalled.abort(new Error(`Nothing was moved for ${Math.round(stallMs / 1000)} seconds`)),
    );
  };
  onProgress();
  const both = AbortSignal.any([signal, stalled.signal]);
  try {
    const filter = afterMark(mark, () => {
      hasBegun = true;
    });
    process.stdout.on("data", onProgress);
    process.stdout.pipe(filter);
    const stderr = captureOutput(process.stderr, MAX_STDERR_BYTES);
    let fault: unknown;
    const reading = read(filter).catch((error: unknown) => {
      fault = error;
      // Nobody reads any more; whoever writes is not to wait for that.
      process.abandon();
      return undefined;
    });
    const feeding = feed(process.stdin, input, process.closed, onProgress);
    await abortable(feeding, both);
    const end = await abortable(process.closed, both);
    // A channel that closes without its end of file leaves the reader waiting.
    filter.end();
    const value = await abortable(reading, both);
    return { end, value, fault, stderr: stderr.read().text, hasBegun };
  } finally {
    stop();
    process.abandon();
  }
}

/** Writes no faster than the other side reads; gives up when it has ended. */
async function feed(
  stdin: NodeJS.WritableStream,
  input: AsyncIterable<Uint8Array> | undefined,
  closed: Promise<unknown>,
  onProgress: () => void,
): Promise<void> {
  let hasEnded = false;
  let wake = (): void => undefined;
  closed.then(() => {
    hasEnded = true;
    wake();
  });
  for await (const piece of input ?? []) {
    if (hasEnded) return;
    onProgress();
    if (!stdin.write(piece)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        stdin.once("drain", resolve);
      });
      stdin.removeAllListeners("drain");
    }
  }
  stdin.end();
}
