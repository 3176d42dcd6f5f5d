import { createReadStream } from "node:fs";
import { TransferError } from "../../src/core/errors.ts";
import { type RawName, textOf } from "../../src/files/open_directory.ts";
import { readTarEntries, type TarEntry, TarFormatError } from "../../src/files/tar_reader.ts";
import type { IncomingFiles } from "./incoming.ts";
import { isPlainPath, keptTarget, type ListedEntry } from "./tree_listing.ts";

/** Where the job was made, which nobody tells: no absolute target is inside. */
const UNKNOWN = "\0";

/** Read at a time. */
const PIECE_BYTES = 262_144;

/**
 * Unpacks an archive that a job has made into files that come in. The job is not trusted: names that leave the
 * directory, entries below a link, devices and the like are refused; links that leave the directory are left out.
 *
 * All files together are never larger than the archive, which is not compressed.
 *
 * @param archive on this machine
 * @param onSkipped told about a link that is left out
 * @returns what is to be published, a directory before what is in it
 * @throws {TransferError}
 */
export async function unpackTar(
  archive: string,
  incoming: IncomingFiles,
  onSkipped: (path: string) => void,
): Promise<readonly ListedEntry[]> {
  const entries = new Map<RawName, ListedEntry>();
  try {
    for await (const entry of readTarEntries(createReadStream(archive, { highWaterMark: PIECE_BYTES }))) {
      const path = entry.path.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
      if (entry.type === "directory" && (path === "" || path === ".")) continue;
      if (!isPlainPath(path)) throw refused(`has the name ${JSON.stringify(textOf(entry.path))}`);
      const listed = await take(path, entry, incoming);
      if (listed === undefined) onSkipped(textOf(path));
      else entries.set(path, listed);
    }
  } catch (error) {
    if (error instanceof TarFormatError) throw refused(`cannot be read: ${error.message}`, error);
    throw error;
  }
  addParents(entries);
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function take(path: RawName, entry: TarEntry, incoming: IncomingFiles): Promise<ListedEntry | undefined> {
  const common = { path, mode: entry.mode & 0o777, modifiedS: entry.modifiedS };
  switch (entry.type) {
    case "directory":
      return { ...common, type: "directory" };
    case "link": {
      const target = keptTarget(path, entry.target, UNKNOWN);
      return target === undefined ? undefined : { ...common, type: "link", target };
    }
    case "file": {
      const file = { ...common, type: "file", size: entry.size } as const;
      const sink = incoming.open(file);
      let position = 0;
      for await (const piece of entry.body) {
        const written = sink.write(piece, position);
        if (written !== undefined) await written;
        position += piece.length;
      }
      const finished = sink.finish();
      if (finished !== undefined) await finished;
      return file;
    }
  }
}

/** Directories that were there before the job need not be in the archive. */
function addParents(entries: Map<RawName, ListedEntry>): void {
  for (const { path, modifiedS } of [...entries.values()]) {
    for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1)) {
      const parent = path.slice(0, cut);
      const found = entries.get(parent);
      if (found === undefined) entries.set(parent, { path: parent, mode: 0o755, modifiedS, type: "directory" });
      else if (found.type !== "directory") throw refused(`has something below ${JSON.stringify(textOf(parent))}`);
    }
  }
}

function refused(why: string, cause?: unknown): TransferError {
  return new TransferError(`The archive with the output of the job ${why}`, { retryable: false, cause });
}
