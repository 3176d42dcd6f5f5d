import { readFile, writeFile } from "node:fs/promises";
import type { RawName } from "../../src/files/open_directory.ts";
import type { LocalTree } from "./local_tree.ts";
import type { ListedEntry } from "./tree_listing.ts";

/** What an entry is made of, by which a change is known; times say nothing. */
type Fingerprint = string;

/** Files of the job that are made anew by every run, whatever they are like. */
const ALWAYS_CHANGED: ReadonlySet<RawName> = new Set(["stdout.txt", "stderr.txt", "returncode"]);

/** Writes down what is in a directory before its job runs. @param file absolute */
export async function recordInput(tree: LocalTree, file: string, signal: AbortSignal): Promise<void> {
  await writeFile(file, JSON.stringify([...(await fingerprints(tree, signal))]), { mode: 0o600 });
}

/** What the job has made or changed since {@link recordInput}, by content. */
export async function changedSince(tree: LocalTree, file: string, signal: AbortSignal): Promise<ReadonlySet<RawName>> {
  const before = new Map(JSON.parse(await readFile(file, "utf8")) as readonly [RawName, Fingerprint][]);
  const changed = new Set<RawName>();
  for (const [path, fingerprint] of await fingerprints(tree, signal)) {
    if (before.get(path) !== fingerprint || ALWAYS_CHANGED.has(path)) changed.add(path);
  }
  return changed;
}

async function fingerprints(tree: LocalTree, signal: AbortSignal): Promise<ReadonlyMap<RawName, Fingerprint>> {
  const sums = await tree.sums(signal);
  const listing = await tree.list(signal);
  return new Map([...listing.values()].map((entry) => [entry.path, fingerprintOf(entry, sums)]));
}

function fingerprintOf(entry: ListedEntry, sums: ReadonlyMap<RawName, string>): Fingerprint {
  switch (entry.type) {
    case "directory":
      return "directory";
    case "file":
      return `${(entry.mode & 0o100) === 0 ? "file" : "program"} ${sums.get(entry.path) ?? "new"}`;
    case "link":
      return `link ${entry.target}`;
  }
}
