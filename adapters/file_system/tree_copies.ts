import { TransferError } from "../../src/core/errors.ts";
import { type RawName, textOf } from "../../src/files/open_directory.ts";
import type { Turns } from "../../src/files/turns.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { incomingFiles } from "./incoming.ts";
import type { LocalTree } from "./local_tree.ts";
import type { RemoteTree } from "./remote_tree.ts";
import { firstDifference, isCopy, keptTarget, type ListedEntry, type Listing } from "./tree_listing.ts";

/** Copies between this machine and another host, either way: whole or a fault. */
export interface TreeCopying {
  readonly tree: RemoteTree;
  /** Name of the other host, for people. */
  readonly where: string;
  /** True when contents are compared after a copy, not only sizes and times. */
  readonly isChecksummed: boolean;
}

/** A copy that is this small is sent without a question for what is there; an answer of no would come in vain. */
const SMALL_BYTES = 64_000;
const SMALL_COUNT = 100;

/**
 * Sends a small tree to a hidden directory beside its target, where nothing is there yet of either.
 *
 * @returns bytes of the files that were sent; undefined when the tree is not small, or something is there
 * @throws {TransferError} also when the copy is not whole afterwards
 */
export async function sendSmallTree(
  copying: TreeCopying,
  local: LocalTree,
  originals: Listing,
  part: string,
  target: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const bytes = bytesOf([...originals.values()]);
  if (originals.size > SMALL_COUNT || bytes > SMALL_BYTES) return undefined;
  const all = local.read(new Set(originals.keys()), signal);
  const copies = await copying.tree.sendNew(part, [target], all, originals.size, signal);
  if (copies === undefined) return undefined;
  await checkCopies(copying, local, originals, part, copies, signal);
  return bytes;
}

/**
 * Sends `originals`, a part of `local` or all of it, to a hidden directory beside its target, where an earlier try may
 * have left some of it.
 *
 * @param begun what is in that directory
 * @returns bytes of the files that were sent
 * @throws {TransferError} also when the copy is not whole afterwards
 */
export async function sendTree(
  copying: TreeCopying,
  local: LocalTree,
  originals: Listing,
  part: string,
  begun: Listing | undefined,
  signal: AbortSignal,
): Promise<number> {
  const { tree } = copying;
  const isOurs = [...(begun ?? [])].every(([path, { type }]) => originals.get(path)?.type === type);
  if (!isOurs) await tree.remove([part], signal);
  const missing = [...originals.values()].filter((one) => !isOurs || !isCopy(one, begun?.get(one.path)));
  const wanted = new Set(missing.map(({ path }) => path));
  const copies = await tree.send(part, local.read(wanted, signal), wanted.size, signal);
  await checkCopies(copying, local, originals, part, copies, signal);
  return bytesOf(missing);
}

/** @throws {TransferError} when the copies are not those of all originals */
async function checkCopies(
  { tree, where, isChecksummed }: TreeCopying,
  local: LocalTree,
  originals: Listing,
  part: string,
  copies: Listing,
  signal: AbortSignal,
): Promise<void> {
  const different = firstDifference(originals, copies);
  if (different !== undefined) {
    throw new TransferError(`The copy of ${textOf(different)} on ${where} is not whole`, { retryable: true });
  }
  if (isChecksummed) {
    const paths = [...originals.values()].flatMap(({ path, type }) => (type === "file" ? [path] : []));
    const here = await local.sums(signal);
    compareSums(new Map(paths.map((path) => [path, here.get(path)])), await tree.sums(part, paths, signal), where);
  }
}

/** What to bring, and where to. */
export interface Fetching {
  /** Remote directory; absolute. */
  readonly from: string;
  /** A part of what is there, a directory before what is in it. */
  readonly entries: readonly ListedEntry[];
  /** Private directory for files until all are there; kept when it fails, so that a later try finds them. */
  readonly incomingDir: string;
  /** Local directory that gets them. */
  readonly into: string;
  /** To be fetched even if an earlier try has brought a file that looks the same. */
  readonly isVolatile: (path: RawName) => boolean;
  readonly turns: Turns;
}

/** @returns bytes of the files that were fetched */
export async function fetchTree(
  { tree, where, isChecksummed }: TreeCopying,
  { from, entries, incomingDir, into, isVolatile, turns }: Fetching,
  signal: AbortSignal,
): Promise<number> {
  const incoming = incomingFiles(incomingDir);
  try {
    const files = entries.filter((candidate) => candidate.type === "file");
    const absent = files.filter((file) => isVolatile(file.path) || !incoming.has(file));
    if (absent.length > 0) await tree.fetch(from, absent, (file) => incoming.open(file), signal);
    if (isChecksummed) {
      const paths = files.map(({ path }) => path);
      compareSums(await incoming.sums(files, signal), await tree.sums(from, paths, signal), where);
    }
    signal.throwIfAborted();
    await incoming.publish(into, entries, turns);
    incoming.discard();
    return bytesOf(absent);
  } finally {
    incoming.close();
  }
}

/**
 * What of a remote directory is to be brought: a directory before what is in it, without links that leave the directory.
 *
 * @param isKnown true for what is here already
 */
export function entriesToFetch(
  found: Listing,
  isKnown: (entry: ListedEntry) => boolean,
  remote: string,
  logger: Logger,
): readonly ListedEntry[] {
  const directory = Buffer.from(remote).toString("latin1");
  const entries: ListedEntry[] = [];
  for (const entry of found.values()) {
    if (isKnown(entry)) continue;
    if (entry.type !== "link") {
      entries.push(entry);
      continue;
    }
    const target = keptTarget(entry.path, entry.target, directory);
    if (target === undefined) {
      logger.warn("A link that leaves the directory of its job was not copied", {
        directory: remote,
        path: textOf(entry.path),
      });
    } else {
      entries.push({ ...entry, target });
    }
  }
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function bytesOf(entries: readonly ListedEntry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.size : 0), 0);
}

/** @throws {TransferError} for the first file whose sums differ */
function compareSums(here: Sums, there: Sums, where: string): void {
  for (const [path, sum] of here) {
    if (there.get(path) !== sum) {
      throw new TransferError(`The checksum of ${textOf(path)} on ${where} differs`, { retryable: true });
    }
  }
}

type Sums = ReadonlyMap<RawName, string | undefined>;
