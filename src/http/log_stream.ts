import type { Clock } from "../ports/clock.ts";
import type { JobFile } from "./job_files.ts";

/** How often a silent log is looked at, in milliseconds. */
const LOOK_MS = 250;

/** How often the job is asked for, in milliseconds. */
const ASK_MS = 1_000;

const PIECE_BYTES = 65_536;

/** What a followed log is made of. */
export interface FollowedLog {
  /** Opens the file of the log; undefined while there is none. */
  open(): Promise<JobFile | undefined>;
  /** False when the job has ended or is gone, so that nothing more will come. */
  isAlive(): Promise<boolean>;
  readonly clock: Clock;
  /** From which byte on. */
  readonly start: number;
}

/** What is in the log of a job and what comes until the job has ended, as it comes. */
export function followLog({ open, isAlive, clock, start }: FollowedLog): ReadableStream<Uint8Array> {
  let file: JobFile | undefined;
  let position = start;
  let askedMs = Number.NEGATIVE_INFINITY;
  let hasLeft = false;
  let wake = (): void => undefined;

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const stop = clock.after(LOOK_MS, resolve);
      wake = () => {
        stop();
        resolve();
      };
    });

  const next = async (): Promise<Uint8Array | undefined> => {
    file ??= await open();
    if (file === undefined) return undefined;
    const { buffer, bytesRead } = await file.handle.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES, position);
    position += bytesRead;
    return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
  };

  /** Opened again the next time: a log that was copied back at the end of the job is another file. */
  const close = async (): Promise<void> => {
    const opened = file;
    file = undefined;
    await opened?.handle.close();
  };

  /** What comes next, or undefined when that was all. */
  const nextOrEnd = async (): Promise<Uint8Array | undefined> => {
    for (let isLast = false; !hasLeft; ) {
      const piece = await next();
      if (piece !== undefined || isLast) return piece;
      if (clock.monotonicMs() - askedMs >= ASK_MS) {
        askedMs = clock.monotonicMs();
        if (!(await isAlive())) {
          // Something may have come since the file was last looked at.
          isLast = true;
          await close();
          continue;
        }
      }
      await pause();
    }
    return undefined;
  };

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await nextOrEnd();
          if (piece !== undefined && !hasLeft) {
            controller.enqueue(piece);
            return;
          }
        } catch (error) {
          await close();
          throw error;
        }
        await close();
        if (!hasLeft) controller.close();
      },
      cancel() {
        // The file is closed by the pull that may be under way, else here.
        hasLeft = true;
        wake();
        return close();
      },
    },
    { highWaterMark: 0 },
  );
}
