import type { SchedulerConfig } from "../../src/config/config.ts";
import { assertNever } from "../../src/core/assert_never.ts";
import { BartenderError } from "../../src/core/errors.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import { eagerScheduler } from "./eager.ts";
import type { LocalProcessOptions } from "./local_processes.ts";
import { memoryScheduler } from "./memory.ts";

/** What the daemon gives to every scheduler; one control directory may serve several of them. */
export type SchedulerSurroundings = Pick<LocalProcessOptions, "controlDir" | "environment" | "clock" | "logger">;

/** @throws {BartenderError} for a type that this version cannot do yet */
export function buildScheduler(config: SchedulerConfig, surroundings: SchedulerSurroundings): Scheduler {
  switch (config.type) {
    case "memory":
      return memoryScheduler({ ...surroundings, slots: config.slots });
    case "eager": {
      const { maxLoad, maxWaitS, timeoutS } = config;
      return eagerScheduler({ ...surroundings, maxLoad, maxWaitS, timeoutS });
    }
    case "slurm":
    case "arq":
    case "dirac":
      throw new BartenderError("not_available", `Scheduler ${config.type} is not available yet in this version`);
    default:
      return assertNever(config);
  }
}
