import { readdirSync, readlinkSync } from "node:fs";
import { eventually } from "./eventually.ts";

/** How many descriptors of this process are open on files below `directory`. */
export function openFilesBelow(directory: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory);
    } catch {
      // Closed since it was listed.
      return false;
    }
  }).length;
}

/** Waits until no file below `directory` is open: files are closed a moment after their answer has arrived. */
export async function allClosed(directory: string): Promise<void> {
  await eventually(`closed files below ${directory}`, () => openFilesBelow(directory) === 0);
}
