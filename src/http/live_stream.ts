import type { JobId } from "../core/ids.ts";
import type { EdgeDeps } from "./edge.ts";
import { GivenUpError, producedBody } from "./produced_body.ts";
import { WakeUp } from "./wake_up.ts";

/** What a stream that follows a job gets to know while it runs. */
export interface Follower {
  /** Sleeps until the job may have moved on, or the stream has to end. @returns false when only `ms` have passed */
  sleep(ms: number): Promise<boolean>;
  /** True when nobody wants the rest. */
  hasLeft(): boolean;
  /** True when the daemon is about to stop, so that the stream has to end soon. */
  isStopping(): boolean;
}

export interface LiveStream {
  readonly jobId: JobId;
  /** Gives the place of the stream back. */
  readonly release: () => void;
  /** A client that takes nothing for so long is given up. */
  readonly maxStallMs: number;
  pieces(follower: Follower): AsyncGenerator<Uint8Array, void, undefined>;
}

/** A body that goes on as long as its job does. A slow client costs no memory: pieces are made when they are wanted. */
export function liveBody(deps: EdgeDeps, stream: LiveStream): ReadableStream<Uint8Array> {
  const { jobs, clock, logger, stopping } = deps;
  const { jobId } = stream;
  const abort = new AbortController();
  const wakeUp = new WakeUp(clock);
  const unwatch = jobs.watch(jobId, wakeUp.ring);
  abort.signal.addEventListener("abort", wakeUp.ring);
  stopping.addEventListener("abort", wakeUp.ring);
  return producedBody({
    pieces: stream.pieces({
      sleep: (ms) => wakeUp.sleep(ms),
      hasLeft: () => abort.signal.aborted,
      isStopping: () => stopping.aborted,
    }),
    abort,
    clock,
    maxStallMs: stream.maxStallMs,
    onEnd(fault) {
      unwatch();
      stopping.removeEventListener("abort", wakeUp.ring);
      stream.release();
      if (fault instanceof GivenUpError) logger.debug("A stream was given up", { job: jobId, reason: fault.message });
      else if (fault !== undefined) logger.error("A stream could not go on", { job: jobId, error: fault });
    },
  });
}
