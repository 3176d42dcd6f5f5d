import type { FileSystem } from "../src/ports/file_system.ts";
import type { Scheduler } from "../src/ports/scheduler.ts";

/** A destination of the configuration with its adapters. */
export interface Destination {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly fileSystem: FileSystem;
}
