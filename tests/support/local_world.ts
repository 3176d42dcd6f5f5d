import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { commandEnvironment } from "../../adapters/scheduler/command_environment.ts";
import type { LocalProcessOptions } from "../../adapters/scheduler/local_processes.ts";
import { processTable } from "../../adapters/scheduler/process_table.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import type { SchedulerWorld } from "../conformance/scheduler_world.ts";
import { endLeftovers } from "./end_leftovers.ts";
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
  const table = processTable();
  let scheduler = make(options);
  let directories = 0;
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
    async makeDirectory() {
      // Whatever a configured job root may be called.
      const path = join(dir.path, `jobs of "O'Neil"\n$HOME ü`, String(++directories));
      mkdirSync(path, { recursive: true });
      return path;
    },
    async read(directory, name) {
      const path = join(directory, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    async write(directory, name, text) {
      writeFileSync(join(directory, name), text);
    },
    isAlive: async (pid) => table.read(pid) !== undefined,
    async [Symbol.asyncDispose]() {
      await scheduler.close();
      await endLeftovers(options.controlDir);
      dir[Symbol.dispose]();
    },
  };
}
