import type { Clock } from "../ports/clock.ts";

export interface ProducedBody {
  readonly pieces: AsyncGenerator<Uint8Array, void, undefined>;
  /** Aborted when nobody wants the rest, so that a piece in the making is given up. */
  readonly abort: AbortController;
  readonly clock: Clock;
  /** A client that takes nothing for so long is given up. */
  readonly maxStallMs: number;
  /** Called once, when all has been sent, failed or been given up; with the fault, when there was one. */
  onEnd(fault: unknown): void;
}

/**
 * A body that is made while it is sent, as fast as the client takes it. When the production fails, the connection
 * breaks, so that nobody takes the part for the whole.
 */
export function producedBody({ pieces, abort, clock, maxStallMs, onEnd }: ProducedBody): ReadableStream<Uint8Array> {
  let hasEnded = false;
  let stopWatching = (): void => undefined;
  const end = async (fault: unknown): Promise<void> => {
    if (hasEnded) return;
    hasEnded = true;
    stopWatching();
    if (fault !== undefined) abort.abort(fault);
    onEnd(
      await pieces.return().then(
        () => fault,
        (error: unknown) => error,
      ),
    );
  };
  const watch = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    stopWatching = clock.after(maxStallMs, () => {
      const fault = new GivenUpError(`The client took nothing for ${maxStallMs} ms`);
      controller.error(fault);
      void end(fault);
    });
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        stopWatching();
        try {
          const next = await pieces.next();
          if (hasEnded) return;
          if (next.done) {
            await end(undefined);
            controller.close();
          } else {
            controller.enqueue(next.value);
            watch(controller);
          }
        } catch (error) {
          if (hasEnded) return;
          await end(error);
          controller.error(error);
        }
      },
      cancel: () => end(new GivenUpError("The client left")),
    },
    { highWaterMark: 0 },
  );
}

/** The client did not want the rest; no fault of the production. */
export class GivenUpError extends Error {}
