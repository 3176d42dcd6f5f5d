import type { Random } from "../support/seeded_random.ts";
import { Chaos } from "./chaos.ts";
import { MemoryJobStore } from "./memory_job_store.ts";
import { planOf } from "./plan.ts";
import { PromiseKeeper } from "./promise_keeper.ts";
import { SimulatedFiles } from "./simulated_files.ts";
import { SimulatedScheduler } from "./simulated_scheduler.ts";
import { SimulatedTime } from "./simulated_time.ts";
import type { Tracer } from "./trace.ts";

/** All that outlives a daemon: time, the table of jobs, files, schedulers with their commands. */
export interface Outside {
  readonly time: SimulatedTime;
  readonly chaos: Chaos;
  readonly trace: Tracer;
  readonly keeper: PromiseKeeper;
  readonly table: MemoryJobStore;
  readonly files: SimulatedFiles;
  readonly schedulers: readonly SimulatedScheduler[];
  isStoreOut: boolean;
}

/** @param note gets each line of the trace; without it none is made */
export function makeOutside(random: Random, note?: (line: string) => void): Outside {
  const plan = planOf(random);
  const time = new SimulatedTime(random);
  const chaos = new Chaos(random, plan);
  const trace: Tracer = note === undefined ? () => {} : (line) => note(`${time.elapsedMs} ms ${line()}`);
  const table: MemoryJobStore = new MemoryJobStore("simulated", (before, after) => {
    trace(
      () => `table: job ${(before ?? after)?.id} ${before?.progress.phase ?? "-"} -> ${after?.progress.phase ?? "-"}`,
    );
    keeper.committed(before, after);
  });
  const keeper = new PromiseKeeper((id) => table.peek(id), plan.maxRuntimeS !== null);
  const files = new SimulatedFiles(time, chaos, keeper);
  const schedulers = plan.destinations.map(
    (destination) => new SimulatedScheduler(destination, { time, chaos, trace, files, keeper }),
  );
  return { time, chaos, trace, keeper, table, files, schedulers, isStoreOut: false };
}
