import { readdirSync, readlinkSync } from "node:fs";

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
