import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../../adapters/command_runner/local.ts";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import { type CommandRunnerWorld, commandRunnerSuite } from "../../conformance/command_runner_suite.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

const table = processTable();

async function open(): Promise<CommandRunnerWorld> {
  const directory = tempDir();
  return {
    runner: localCommandRunner({ clock: systemClock(), logger: recordingLogger(), killGraceMs: 300 }),
    cwd: directory.path,
    isAlive: (pid) => table.read(pid) !== undefined,
    async read(name) {
      const path = join(directory.path, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    [Symbol.asyncDispose]: async () => directory[Symbol.dispose](),
  };
}

commandRunnerSuite("local", open);
