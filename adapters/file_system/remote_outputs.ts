import { posix } from "node:path";
import type { RawName } from "../../src/files/open_directory.ts";
import type { ListedEntry, Listing } from "./tree_listing.ts";

/*
 * What daemons and performers keep in the entry directory beside the directories of the jobs:
 *
 *     .bartender/daemons/<instance>    a directory: this is where that daemon brings its jobs
 *     .<id>.out/<attempt>              what the attempt of a job left on another machine, whole
 *     .<id>.out/.<attempt>.part        the same, on its way
 *
 * Each attempt has a place of its own, so that a late one never disturbs its successor.
 */

/** The mark of a daemon in an entry directory. */
export function markOf(entry: string, daemon: string): string {
  return posix.join(entry, ".bartender", "daemons", daemon);
}

/** Directory of all outputs of a job, beside its own. */
export function outputsIn(entry: string, job: string): string {
  return posix.join(entry, `.${job}.out`);
}

/** Name of the output of an attempt among those of its job. */
export function outputName(attempt: number): string {
  return String(attempt);
}

/** Name of the same while it is not whole. */
export function partialOutputName(attempt: number): string {
  return `.${attempt}.part`;
}

/** The output of one attempt. */
export interface RemoteOutput {
  readonly directory: string;
  readonly entries: Listing;
}

/** The whole output of the last attempt that handed one over. @param directory of all outputs */
export function newestOutput(outputs: Listing, directory: string): RemoteOutput | undefined {
  const attempts = [...outputs.values()]
    .filter(({ path, type }) => type === "directory" && /^[1-9]\d*$/.test(path))
    .map(({ path }) => Number(path));
  if (attempts.length === 0) return undefined;
  const name = outputName(Math.max(...attempts));
  return { directory: posix.join(directory, name), entries: below(outputs, name) };
}

/** The part of a listing that is below one of its directories, as a listing of that. */
export function below(listing: Listing, directory: RawName): Listing {
  const start = `${directory}/`;
  const entries = new Map<RawName, ListedEntry>();
  for (const [path, entry] of listing) {
    if (!path.startsWith(start)) continue;
    const relative = path.slice(start.length);
    entries.set(relative, { ...entry, path: relative });
  }
  return entries;
}
