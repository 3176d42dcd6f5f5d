import type { RawName } from "../../src/files/open_directory.ts";
import type { TreeEntry } from "../../src/files/tree_walker.ts";
import type { ListedFile, Listing } from "./tree_listing.ts";

/** Takes the content of one file, in any order. */
export interface FileSink {
  write(piece: Uint8Array, position: number): Promise<void> | void;
  /** All is there. @throws {TransferError} when it is not as long as announced */
  finish(): Promise<void> | void;
}

/**
 * Moves files to and from another host. Paths of directories are absolute.
 *
 * Every method throws {@link TransferError}, also when the signal comes.
 */
export interface RemoteTree {
  /** What is below each of the directories, undefined for an absent one. Special files are left out. */
  list(directories: readonly string[], signal: AbortSignal): Promise<readonly (Listing | undefined)[]>;
  /**
   * Writes entries, a directory before what is in it, below a directory that is made when it is absent.
   *
   * @param count about how many entries there are
   * @returns what is there afterwards
   */
  send(directory: string, entries: AsyncIterable<TreeEntry>, count: number, signal: AbortSignal): Promise<Listing>;
  /**
   * The same where neither the directory nor any of `others` is there, which is asked in the same breath.
   *
   * @returns undefined when one of them is there; nothing was written then
   */
  sendNew(
    directory: string,
    others: readonly string[],
    entries: AsyncIterable<TreeEntry>,
    count: number,
    signal: AbortSignal,
  ): Promise<Listing | undefined>;
  /** Reads files and gives each to its sink. */
  fetch(
    directory: string,
    files: readonly ListedFile[],
    open: (file: ListedFile) => FileSink,
    signal: AbortSignal,
  ): Promise<void>;
  /** SHA-256 of files, in hexadecimal digits. */
  sums(directory: string, paths: readonly RawName[], signal: AbortSignal): Promise<ReadonlyMap<RawName, string>>;
  /** Fails when `to` exists. */
  rename(from: string, to: string, signal: AbortSignal): Promise<void>;
  /** Removes directories with all below, never through a link; absent ones are no-ops. */
  remove(directories: readonly string[], signal: AbortSignal): Promise<void>;
}
