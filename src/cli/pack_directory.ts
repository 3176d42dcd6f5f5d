import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectory } from "../files/open_directory.ts";
import { walkTree } from "../files/tree_walker.ts";
import { turnTaking } from "../files/turns.ts";
import { zipArchive } from "../http/archive_zip.ts";
import type { Clock } from "../ports/clock.ts";

/** A zip archive in a private file. */
export interface PackedDirectory {
  readonly path: string;
  readonly bytes: number;
  /** Removes the file. */
  remove(): Promise<void>;
}

/**
 * Packs all files below a directory, hidden ones too, into a temporary zip archive: whatever is tried again then is the
 * same. Links that lead out of the directory are left out.
 *
 * @param onSkipped told what is left out, and why
 * @throws when the directory cannot be read or there is no room for the archive; nothing is left behind
 */
export async function packDirectory(
  directory: string,
  { clock, onSkipped }: { readonly clock: Clock; readonly onSkipped: (path: string, why: string) => void },
): Promise<PackedDirectory> {
  const start = openDirectory(directory, 0);
  const place = await mkdtemp(join(tmpdir(), "bartender-submit-"));
  const remove = (): Promise<void> => rm(place, { recursive: true, force: true });
  try {
    const path = join(place, "input.zip");
    const rules = { excludesFile: () => false, excludesDirectory: () => false, onSkipped };
    const file = await open(path, "wx", 0o600);
    try {
      const { signal } = new AbortController();
      const entries = walkTree({ directory: start, jobDir: start.realPath }, rules, turnTaking(clock)(), signal);
      for await (const piece of zipArchive(entries)) await file.writeFile(piece);
    } finally {
      await file.close();
    }
    return { path, bytes: (await stat(path)).size, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
