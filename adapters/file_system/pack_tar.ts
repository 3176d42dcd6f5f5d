import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { RawName } from "../../src/files/open_directory.ts";
import { tarArchive } from "../../src/files/tar_writer.ts";
import type { TreeEntry } from "../../src/files/tree_walker.ts";
import type { LocalTree } from "./local_tree.ts";

/** An archive on this machine. */
export interface PackedTar {
  readonly size: number;
  /** SHA-256 in hexadecimal digits. The same for the same files. */
  readonly sum: string;
}

/**
 * Packs the directory of a job into a private file.
 *
 * @param path replaced when it exists
 * @param wanted default: everything
 */
export async function packTar(
  tree: LocalTree,
  path: string,
  signal: AbortSignal,
  wanted?: ReadonlySet<RawName>,
): Promise<PackedTar> {
  const hash = createHash("sha256");
  let size = 0;
  const file = await open(path, "w", 0o600);
  try {
    for await (const piece of tarArchive(chosen(tree.entries(signal), wanted))) {
      hash.update(piece);
      for (let done = 0; done < piece.length; ) {
        done += (await file.write(piece, done, piece.length - done)).bytesWritten;
      }
      size += piece.length;
    }
  } finally {
    await file.close();
  }
  return { size, sum: hash.digest("hex") };
}

async function* chosen(
  entries: AsyncIterable<TreeEntry>,
  wanted: ReadonlySet<RawName> | undefined,
): AsyncGenerator<TreeEntry, void, undefined> {
  for await (const entry of entries) if (wanted?.has(entry.path) !== false) yield entry;
}
