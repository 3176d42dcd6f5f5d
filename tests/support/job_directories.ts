import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { processTable } from "../../adapters/scheduler/process_table.ts";
import type { SchedulerWorld } from "../conformance/scheduler_world.ts";

/**
 * What a world has where commands run on this machine.
 *
 * @param root has the directories of the jobs
 * @param give hands a path over to the account that runs the commands
 */
export function jobDirectories(
  root: string,
  give: (path: string) => void = () => {},
): Pick<SchedulerWorld, "makeDirectory" | "read" | "write" | "isAlive"> {
  const table = processTable();
  let directories = 0;
  return {
    async makeDirectory() {
      // Whatever a configured job root may be called.
      const path = join(root, `jobs of "O'Neil"\n$HOME ü`, String(++directories));
      mkdirSync(path, { recursive: true });
      give(dirname(path));
      give(path);
      return path;
    },
    async read(directory, name) {
      const path = join(directory, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    async write(directory, name, text) {
      writeFileSync(join(directory, name), text);
      give(join(directory, name));
    },
    isAlive: async (pid) => table.read(pid) !== undefined,
  };
}
