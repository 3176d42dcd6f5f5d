import { join } from "node:path";
import type { Config } from "./config/config.ts";

/** Below the job root, beside the directories of the jobs; not served. */
const PRIVATE_DIR = ".bartender";

/** Where the daemon keeps files of its own; absolute. */
export function placesOf({ jobRootDir }: Pick<Config, "jobRootDir">) {
  const privateDir = join(jobRootDir, PRIVATE_DIR);
  return {
    jobRootDir,
    privateDir,
    uploadDir: join(privateDir, "uploads"),
    controlDir: join(privateDir, "attempts"),
    /** Files that come back from other hosts, until all of a job are there. */
    incomingDir: join(privateDir, "incoming"),
    orphanDir: join(privateDir, "orphans"),
    /** Proxies, scratch directories and rescued logs of DIRAC. */
    diracDir: join(privateDir, "dirac"),
    ownerFile: join(privateDir, "database"),
    lockFile: join(privateDir, "writer.lock"),
  };
}
