import type { Scheduler } from "../../src/ports/scheduler.ts";
import { type LocalProcessOptions, localProcesses } from "./local_processes.ts";

/** What the scheduler `memory` needs. */
export interface MemorySchedulerOptions extends LocalProcessOptions {
  /** How many commands may run at the same time; the destination sees to it. */
  readonly slots: number;
}

/** Starts every job at once as a process of this machine; who gets a slot is decided by the destination. */
export function memoryScheduler(options: MemorySchedulerOptions): Scheduler {
  const { start, ...processes } = localProcesses(options);
  return { ...processes, capacity: options.slots, submit: start };
}
