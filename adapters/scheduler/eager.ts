import { availableParallelism, loadavg } from "node:os";
import { SchedulerRefusedError } from "../../src/core/errors.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import { type LocalProcessOptions, localProcesses } from "./local_processes.ts";
import { pause } from "./pause.ts";

/** What the scheduler `eager` needs. */
export interface EagerSchedulerOptions extends LocalProcessOptions {
  /** A job waits while {@link EagerSchedulerOptions.loadPerCpu} is above. */
  readonly maxLoad: number;
  /** A command that runs longer is ended. */
  readonly timeoutS: number;
  /** A job that waited longer for the load to drop is refused. Default: 60 s. */
  readonly maxWaitS?: number;
  /** Default: the 1-minute load average of this machine by its usable CPUs. */
  readonly loadPerCpu?: () => number;
}

const DEFAULT_MAX_WAIT_S = 60;
const LOOK_AGAIN_MS = 1000;

/** Starts any number of jobs as processes of this machine, as long as it is not busy, and not for long. */
export function eagerScheduler(options: EagerSchedulerOptions): Scheduler {
  const { clock, maxLoad, loadPerCpu = machineLoadPerCpu, maxWaitS = DEFAULT_MAX_WAIT_S } = options;
  const { start, ...processes } = localProcesses(options);
  const closing = new AbortController();

  async function waitForRoom(signal: AbortSignal): Promise<void> {
    const untilMs = clock.monotonicMs() + maxWaitS * 1000;
    for (let load = loadPerCpu(); load > maxLoad; load = loadPerCpu()) {
      if (clock.monotonicMs() >= untilMs) {
        const figures = `${Math.round(load * 10) / 10} per CPU, limit ${maxLoad}`;
        throw new SchedulerRefusedError(`Machine load is too high (${figures}), gave up after ${maxWaitS} s`);
      }
      await pause(clock, LOOK_AGAIN_MS, signal, "The call was called off while the machine was busy");
    }
  }

  return {
    ...processes,
    capacity: Number.POSITIVE_INFINITY,
    async submit(job, tag, signal) {
      if (loadPerCpu() > maxLoad) {
        const known = await processes.find(tag, signal);
        if (known !== undefined) {
          return known;
        }
        await waitForRoom(AbortSignal.any([signal, closing.signal]));
      }
      return start(job, tag, signal);
    },
    async close() {
      closing.abort();
      await processes.close();
    },
  };
}

/** The 1-minute load average of this machine, divided by its usable CPUs. */
export function machineLoadPerCpu(): number {
  return (loadavg()[0] ?? 0) / availableParallelism();
}
