import { constants, createReadStream, createWriteStream, fstatSync, lstatSync, realpathSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { JobInput } from "../../src/core/job_origin.ts";
import { InputDigest } from "../../src/files/job_input.ts";
import { openDirectory, textOf } from "../../src/files/open_directory.ts";
import { walkTree } from "../../src/files/tree_walker.ts";
import { turnTaking } from "../../src/files/turns.ts";
import { systemClock } from "../clock/system_clock.ts";

/**
 * Looks for the files of a job that were there before it began, which are known by their times, and makes sure by their
 * names and sizes that they are all that it was given.
 *
 * @param from directory of the job; an absent one has lost its input
 * @param to empty directory for copies of them; undefined: only looks
 * @returns false when something was changed, moved or removed since; copies are then the caller's to remove
 */
export async function copyInput(from: string, input: JobInput, to: string | undefined): Promise<boolean> {
  const info = lstatSync(from, { throwIfNoEntry: false });
  if (info === undefined || !info.isDirectory()) return false;
  return (await walk(from, input.sealedOnMs, to)) === input.digest;
}

/** @returns the digest of the files that were there before `sealedOnMs` */
async function walk(from: string, sealedOnMs: number, to: string | undefined): Promise<string> {
  const digest = new InputDigest();
  const directory = openDirectory(from, constants.O_NOFOLLOW);
  const rules = { excludesFile: () => false, excludesDirectory: () => false, onSkipped: () => undefined };
  try {
    const start = { directory, jobDir: realpathSync(from) };
    for await (const entry of walkTree(start, rules, turnTaking(systemClock())(), new AbortController().signal)) {
      const path = textOf(entry.path);
      const target = to === undefined ? undefined : join(to, path);
      if (entry.type === "directory" && target !== undefined) {
        // Empty ones can only be told from those of the command by when they were made.
        const { birthtimeMs } = lstatSync(join(from, path));
        if (birthtimeMs <= sealedOnMs) await mkdir(target, { recursive: true, mode: 0o755 });
      }
      if (entry.type !== "file" || fstatSync(entry.fd).ctimeMs > sealedOnMs) continue;
      digest.add(path, entry.size);
      if (target === undefined) continue;
      // As when it was unpacked.
      const mode = (entry.mode & 0o100) === 0 ? 0o644 : 0o755;
      await mkdir(dirname(target), { recursive: true, mode: 0o755 });
      const source = createReadStream("", { fd: entry.fd, autoClose: false, start: 0 });
      await pipeline(source, createWriteStream(target, { flags: "wx", mode }));
    }
    return digest.toString();
  } finally {
    directory.close();
  }
}
