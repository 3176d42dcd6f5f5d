import { Buffer } from "node:buffer";
import { statSync } from "node:fs";
import { undefinedWhenAbsent } from "../files/inside.ts";
import {
  type DirectoryEntry,
  type OpenDirectory,
  openChild,
  openLinkedDirectory,
  pathIn,
  readEntries,
  textOf,
} from "../files/open_directory.ts";
import type { Turns } from "../files/turns.ts";
import type { RequestedDirectory } from "./requested_directory.ts";

/** Text is collected in pieces of about this many characters. */
const PIECE_CHARACTERS = 65_536;

/** How much may be listed at once. */
export interface ListingLimits {
  /** Levels below the starting directory. */
  readonly maxDepth: number;
  readonly maxItems: number;
}

/** The tree has more items than may be listed. */
export class TooManyItemsError extends Error {}

/**
 * The tree below a directory of a job, as JSON in the shape of a `DirectoryItem`, in pieces.
 *
 * Links are followed as long as they stay inside the job and do not lead back to where they are. Long trees are read
 * in short turns.
 *
 * @throws {TooManyItemsError} when there are more than `maxItems`
 */
export async function listDirectory(
  start: RequestedDirectory,
  limits: ListingLimits,
  turns: Turns,
): Promise<readonly Buffer<ArrayBuffer>[]> {
  const pieces: Buffer<ArrayBuffer>[] = [];
  let text = "";
  let items = 0;

  /** Begins an item; what it returns has to be waited for. */
  const begin = (name: string, path: string, isDirectory: boolean, isFile: boolean): Promise<void> | undefined => {
    items += 1;
    if (items > limits.maxItems) throw new TooManyItemsError(`More than ${limits.maxItems} items`);
    text += `{"name":${JSON.stringify(name)},"path":${JSON.stringify(path)},"is_dir":${isDirectory},"is_file":${isFile}`;
    if (text.length >= PIECE_CHARACTERS) {
      pieces.push(Buffer.from(text));
      text = "";
    }
    return turns.next();
  };

  /** @param trail the directories from the start to this one */
  const children = async (directory: OpenDirectory, path: string, trail: readonly string[]): Promise<void> => {
    if (trail.length > limits.maxDepth) return;
    const entries = await readEntries(directory, turns);
    if (items + entries.length > limits.maxItems) throw new TooManyItemsError(`More than ${limits.maxItems} items`);
    let separator = ',"children":[';
    for (const entry of entries) {
      text += separator;
      separator = ",";
      const name = textOf(entry.name);
      const itsPath = path === "" ? name : `${path}/${name}`;
      if (entry.kind === "file") {
        const turn = begin(name, itsPath, false, true);
        // There are many files; a promise for each would take longer than the rest.
        if (turn !== undefined) await turn;
        text += "}";
      } else {
        await item(directory, entry, itsPath, trail);
      }
    }
    if (entries.length > 0) text += "]";
  };

  const item = async (
    parent: OpenDirectory,
    { name, kind }: DirectoryEntry,
    path: string,
    trail: readonly string[],
  ): Promise<void> => {
    const followed = kind === "link" || kind === "other" ? kindBehind(parent, name) : kind;
    await begin(textOf(name), path, followed === "directory", followed === "file");
    if (followed === "directory" && trail.length < limits.maxDepth) {
      const directory = tryToOpen(() =>
        kind === "directory" ? openChild(parent, name) : openLinkedDirectory(parent, name, start.jobDir),
      );
      try {
        const isLoop = directory !== undefined && trail.includes(directory.identity);
        if (directory !== undefined && !isLoop) await children(directory, path, [...trail, directory.identity]);
      } finally {
        directory?.close();
      }
    }
    text += "}";
  };

  const { directory, path } = start;
  await begin(path.slice(path.lastIndexOf("/") + 1), path === "" ? "." : path, true, false);
  await children(directory, path, [directory.identity]);
  pieces.push(Buffer.from(`${text}}`));
  return pieces;
}

/** What a link leads to; also asked where the file system does not tell kinds when it lists names. */
function kindBehind(parent: OpenDirectory, name: string): "directory" | "file" | undefined {
  const info = tryToOpen(() => statSync(pathIn(parent, name)));
  if (info?.isDirectory()) return "directory";
  return info?.isFile() ? "file" : undefined;
}

/** What vanished, changed or cannot be read since it was listed is shown without what is below. */
function tryToOpen<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    return undefinedWhenAbsent(error);
  }
}
