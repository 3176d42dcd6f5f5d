import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  createReadStream,
  fchmodSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { assertNever } from "../../src/core/assert_never.ts";
import { messageOf, TransferError } from "../../src/core/errors.ts";
import { flushTree } from "../../src/files/flush_to_disk.ts";
import { type OpenDirectory, openChild, openDirectory, pathIn, type RawName } from "../../src/files/open_directory.ts";
import type { Turns } from "../../src/files/turns.ts";
import type { FileSink } from "./remote_tree.ts";
import { transferFault } from "./transfer_faults.ts";
import type { ListedEntry, ListedFile } from "./tree_listing.ts";

/** Files that come in are private until all are there; then they are moved into the directory of the job. */
export interface IncomingFiles {
  /** True when an earlier try brought the whole file. */
  has(file: ListedFile): boolean;
  /** @throws what the local disk answers */
  open(file: ListedFile): FileSink;
  /** SHA-256 of files that are there, in hexadecimal digits. */
  sums(files: readonly ListedFile[], signal: AbortSignal): Promise<ReadonlyMap<RawName, string>>;
  /**
   * Puts entries in place, a directory before what is in it, for good, also over a power cut. Links in the directory of
   * the job are never followed.
   */
  publish(directory: string, entries: readonly ListedEntry[], turns: Turns): Promise<void>;
  /** Lets go of files that were not finished. Idempotent. */
  close(): void;
  /** Removes what is left. */
  discard(): void;
}

/** @param path private directory on the file system of the job directories; made when it is absent */
export function incomingFiles(path: string): IncomingFiles {
  here(() => mkdirSync(path, { recursive: true, mode: 0o700 }));
  const unfinished = new Set<number>();
  // Another version of a file has another name, so that what is found is always whole and right.
  const nameOf = ({ path: name, size, modifiedS }: ListedFile): string =>
    join(path, createHash("sha1").update(`${size} ${modifiedS} ${name}`).digest("hex"));
  const put = (place: Place, entry: ListedEntry): void => {
    switch (entry.type) {
      case "directory":
        return place.makeDirectory(entry.path, (entry.mode & 0o777) | 0o700);
      case "file":
        return place.moveIn(nameOf(entry), entry.path);
      case "link":
        return place.makeLink(entry.target, entry.path);
      default:
        return assertNever(entry);
    }
  };
  return {
    has(file) {
      const found = lstatSync(nameOf(file), { throwIfNoEntry: false });
      const isFinished = found !== undefined && (found.mode & 0o400) !== 0;
      return isFinished && found.size === file.size && Math.floor(found.mtimeMs / 1000) === file.modifiedS;
    },
    open(file) {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
      // Not to be read until it is whole: pieces may come in any order, so its size says little.
      const fd = here(() => openSync(nameOf(file), flags, 0o200));
      unfinished.add(fd);
      let length = 0;
      return {
        write(piece, position) {
          for (let done = 0; done < piece.length; ) {
            done += here(() => writeSync(fd, piece, done, piece.length - done, position + done));
          }
          length += piece.length;
        },
        finish() {
          if (!unfinished.delete(fd)) return;
          try {
            if (length !== file.size) {
              throw new TransferError("A file is not as long as announced", { retryable: true });
            }
            here(() => {
              futimesSync(fd, file.modifiedS, file.modifiedS);
              fchmodSync(fd, (file.mode & 0o777) | 0o600);
            });
          } finally {
            closeSync(fd);
          }
        },
      };
    },
    async sums(files, signal) {
      const sums = new Map<RawName, string>();
      for (const file of files) {
        const hash = createHash("sha256");
        for await (const piece of createReadStream(nameOf(file), { signal })) hash.update(piece);
        sums.set(file.path, hash.digest("hex"));
      }
      return sums;
    },
    async publish(directory, entries, turns) {
      const place = here(() => new Place(directory));
      try {
        for (const entry of entries) {
          here(() => put(place, entry));
          const turn = turns.next();
          if (turn !== undefined) await turn;
        }
      } finally {
        place.close();
      }
      // The copy on the other host is removed next.
      const kept = entries.filter(({ type }) => type !== "link").map(({ path }) => Buffer.from(path, "latin1"));
      await flushTree(directory, kept).catch((error: unknown) => {
        throw transferFault("this machine", messageOf(error), error);
      });
    },
    close() {
      for (const fd of unfinished) closeSync(fd);
      unfinished.clear();
    },
    discard() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Faults of the local disk are not to be taken for those of the other host. */
function here<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw transferFault("this machine", messageOf(error), error);
  }
}

/** Of the entry itself; a link to a directory is none. */
function isDirectory(path: string | Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A directory whose entries are reached one in the other and never through a link. */
class Place {
  /** From the directory of the job down to the one that was used last. */
  readonly #chain: { readonly path: RawName; readonly directory: OpenDirectory }[];

  constructor(directory: string) {
    this.#chain = [{ path: "", directory: openDirectory(directory, 0) }];
  }

  makeDirectory(path: RawName, mode: number): void {
    const { directory, name } = this.#parent(path);
    const at = pathIn(directory, name);
    const found = lstatSync(at, { throwIfNoEntry: false });
    if (found?.isDirectory()) return;
    if (found !== undefined) rmSync(at, { force: true });
    mkdirSync(at, mode);
  }

  moveIn(from: string, path: RawName): void {
    const { directory, name } = this.#parent(path);
    const at = pathIn(directory, name);
    try {
      renameSync(from, at);
    } catch (error) {
      if (!isDirectory(at)) throw error;
      // A rename replaces a file or link by itself, but no directory.
      rmSync(at, { recursive: true, force: true });
      renameSync(from, at);
    }
  }

  makeLink(target: RawName, path: RawName): void {
    const { directory, name } = this.#parent(path);
    const at = pathIn(directory, name);
    rmSync(at, { recursive: isDirectory(at), force: true });
    symlinkSync(Buffer.from(target, "latin1"), at);
  }

  close(): void {
    for (const { directory } of this.#chain) directory.close();
  }

  #parent(path: RawName): { readonly directory: OpenDirectory; readonly name: RawName } {
    const cut = path.lastIndexOf("/");
    const parent = cut < 0 ? "" : path.slice(0, cut);
    for (let last = this.#chain.at(-1); last !== undefined; last = this.#chain.at(-1)) {
      if (last.path === "" || parent === last.path || parent.startsWith(`${last.path}/`)) break;
      last.directory.close();
      this.#chain.pop();
    }
    for (;;) {
      const last = this.#chain.at(-1);
      if (last === undefined) throw new Error("The place is closed");
      if (last.path === parent) return { directory: last.directory, name: path.slice(cut + 1) };
      const rest = parent.slice(last.path === "" ? 0 : last.path.length + 1);
      const [next = ""] = rest.split("/", 1);
      this.#chain.push({
        path: last.path === "" ? next : `${last.path}/${next}`,
        directory: openChild(last.directory, next),
      });
    }
  }
}
