import { readdirSync, readFileSync } from "node:fs";

/** Process ids of the living children of this process that run `program`. */
export function childrenRunning(program: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [, name, state, parent] = /\((.*)\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? [];
        return name === program && state !== "Z" && Number(parent) === process.pid;
      } catch {
        // Ended since it was listed.
        return false;
      }
    })
    .map(Number);
}
