import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { commandEnvironment } from "../../adapters/scheduler/command_environment.ts";
import type { LocalProcessOptions } from "../../adapters/scheduler/local_processes.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import type { SchedulerWorld } from "../conformance/scheduler_world.ts";
import { endLeftovers } from "./end_leftovers.ts";
import { jobDirectories } from "./job_directories.ts";
import { recordingLogger } from "./recording_logger.ts";
import { tempDir } from "./temp_dir.ts";

/** A directory of its own and a scheduler whose commands are processes of this machine. */
export interface LocalWorld extends SchedulerWorld {
  readonly root: string;
  readonly options: LocalProcessOptions;
  readonly logger: ReturnType<typeof recordingLogger>;
}

/** @param make the scheduler under test; called again for every new daemon */
export function openLocalWorld(
  make: (options: LocalProcessOptions) => Scheduler,
  overrides: Partial<LocalProcessOptions> = {},
): LocalWorld {
  const dir = tempDir();
  const logger = recordingLogger();
  const options: LocalProcessOptions = {
    controlDir: join(dir.path, ".bartender", "attempts"),
    environment: commandEnvironment(process.env, []),
    clock: systemClock(),
    logger,
    killGraceMs: 400,
    ...overrides,
  };
  let scheduler = make(options);
  return {
    root: dir.path,
    options,
    logger,
    get scheduler() {
      return scheduler;
    },
    async reopen() {
      await scheduler.close();
      scheduler = make(options);
      return scheduler;
    },
    ...jobDirectories(dir.path),
    async [Symbol.asyncDispose]() {
      await scheduler.close();
      await endLeftovers(options.controlDir);
      dir[Symbol.dispose]();
    },
  };
}
