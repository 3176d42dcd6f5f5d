import type { Workplace } from "../../src/ports/workplace.ts";

/** For performers that see the directories of the jobs under the same path as the daemon. Nothing is moved. */
export function inPlaceWorkplace(): Workplace {
  return {
    isStaged: false,
    prepare: async ({ job }) => job.directory,
    deliver: async () => {},
    discard: async () => {},
    tags: () => [],
    // The daemon sees the file itself.
    readFrom: async () => undefined,
    close: async () => {},
  };
}
