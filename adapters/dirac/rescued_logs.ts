import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Logs of jobs whose output never got to grid storage, from their sandboxes.
 *
 * The scheduler knows of which job a sandbox is, the file system where the logs belong; both know the job's directory on
 * the grid, so here one leaves them to the other. They outlive the daemon.
 */
export interface RescuedLogs {
  /** Keeps files, by plain names; in the place of what was kept for that directory. All of them or none. */
  keep(jobDirectory: string, files: ReadonlyMap<string, string>): Promise<void>;
  /** Writes what was kept into `localDirectory`, in the place of what is there. @returns names of the files */
  copyTo(localDirectory: string, jobDirectory: string): Promise<readonly string[]>;
  /** Forgets what was kept, if anything. */
  drop(jobDirectory: string): Promise<void>;
}

/** @param directory absolute, made when missing */
export function rescuedLogs(directory: string): RescuedLogs {
  const placeOf = (jobDirectory: string): string =>
    join(directory, createHash("sha256").update(jobDirectory).digest("hex").slice(0, 32));
  return {
    async keep(jobDirectory, files) {
      const place = placeOf(jobDirectory);
      const part = `${place}.${randomUUID()}.part`;
      await mkdir(part, { recursive: true, mode: 0o700 });
      try {
        for (const [name, text] of files) await writeFile(join(part, name), text, { mode: 0o600 });
        await rm(place, { recursive: true, force: true });
        await rename(part, place);
      } finally {
        await rm(part, { recursive: true, force: true });
      }
    },
    async copyTo(localDirectory, jobDirectory) {
      const place = placeOf(jobDirectory);
      const names = await readdir(place).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return [];
        throw error;
      });
      for (const name of names) {
        const target = join(localDirectory, name);
        // Whatever was uploaded under that name, a link above all, must not be written through.
        await rm(target, { recursive: true, force: true });
        await copyFile(join(place, name), target, constants.COPYFILE_EXCL);
      }
      return names;
    },
    drop: (jobDirectory) => rm(placeOf(jobDirectory), { recursive: true, force: true }),
  };
}
