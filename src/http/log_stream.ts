import type { Clock } from "../ports/clock.ts";
import type { Follower } from "./live_stream.ts";
import type { LogReader } from "./log_reader.ts";
import { GivenUpError } from "./produced_body.ts";

/** How often is looked for a log that is not there yet, in milliseconds. */
const LOOK_MS = 250;

/** How soon a job that could not be asked for is asked for again. */
const ASK_AGAIN_MS = 1_000;

/** How long a log may be silent before an empty piece tells that it is still followed. */
export const SILENCE_MS = 15_000;

/** What a followed log is made of. */
export interface FollowedLog {
  /** Opens the log wherever it is at this moment; undefined while there is none. */
  open(): Promise<LogReader | undefined>;
  /** False when the job has ended or is gone, so that nothing more will come; undefined when nobody knows now. */
  isAlive(): Promise<boolean | undefined>;
  readonly clock: Clock;
  /** From which byte on. */
  readonly start: number;
  /** True: an empty piece is given when nothing else came for {@link SILENCE_MS}. */
  readonly tellsSilence: boolean;
}

/**
 * What is in the log of a job and what comes until the job has ended, as it comes.
 *
 * @throws {GivenUpError} when the daemon stops: the connection breaks, so that nobody takes the part for the whole
 */
export async function* logPieces(
  { open, isAlive, clock, start, tellsSilence }: FollowedLog,
  follower: Follower,
): AsyncGenerator<Uint8Array, void, undefined> {
  let log: LogReader | undefined;
  let position = start;
  let askFromMs = clock.monotonicMs();
  let silentFromMs = clock.monotonicMs();

  const next = async (): Promise<Uint8Array | undefined> => {
    log ??= await open();
    const piece = await log?.read(position);
    position += piece?.length ?? 0;
    return piece?.length === 0 ? undefined : piece;
  };

  /** Opened again the next time: a log that was copied back at the end of the job is another file. */
  const close = async (): Promise<void> => {
    const opened = log;
    log = undefined;
    await opened?.close();
  };

  try {
    for (let isLast = false; !follower.hasLeft(); ) {
      if (follower.isStopping()) throw new GivenUpError("The daemon stops");
      const piece = await next();
      if (piece !== undefined) {
        yield piece;
        silentFromMs = clock.monotonicMs();
        continue;
      }
      if (isLast) return;
      if (clock.monotonicMs() >= askFromMs) {
        const answer = await isAlive();
        // Asked again when the job has moved on.
        askFromMs = answer === undefined ? clock.monotonicMs() + ASK_AGAIN_MS : Number.POSITIVE_INFINITY;
        if (log?.isPassing === true) await close();
        if (answer === false) {
          // Something may have come since the log was last looked at.
          isLast = true;
          await close();
          continue;
        }
      }
      if (tellsSilence && clock.monotonicMs() - silentFromMs >= SILENCE_MS) {
        yield new Uint8Array(0);
        silentFromMs = clock.monotonicMs();
      }
      if (await follower.sleep(log?.lookMs ?? LOOK_MS)) askFromMs = clock.monotonicMs();
    }
  } finally {
    await close();
  }
}
