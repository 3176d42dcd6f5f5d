import { rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { TransferError } from "../../src/core/errors.ts";
import type { RawName } from "../../src/files/open_directory.ts";
import { turnTaking } from "../../src/files/turns.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { SshLease } from "../ssh/ssh_pool.ts";
import { jobTransfers } from "./job_transfers.ts";
import { type LocalTree, openJobTree } from "./local_tree.ts";
import { readRemotePart } from "./read_remote_part.ts";
import { markOf, newestOutput, outputsIn } from "./remote_outputs.ts";
import { treeChooser } from "./tree_chooser.ts";
import { entriesToFetch, fetchTree, sendSmallTree, sendTree } from "./tree_copies.ts";
import { firstDifference, isCopy, type ListedEntry, type Listing } from "./tree_listing.ts";

export interface SftpFileSystemOptions {
  /** Closed with the file system. */
  readonly lease: SshLease;
  /** Remote directory that has the directories of the jobs; absolute. */
  readonly entry: string;
  readonly isRemoteKept: boolean;
  readonly isChecksummed: boolean;
  /** Private directory on the file system of the job directories, for files that come in; absolute. */
  readonly incomingDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Names the daemon in a mark that it leaves in the entry directory, by which performers know that directory when they
   * see it. Default: no mark.
   */
  readonly mark?: string | undefined;
  /** Told how many bytes of files a finished copy has sent or fetched. */
  readonly onCopied?: ((direction: "in" | "out", bytes: number) => void) | undefined;
  /** A transfer that moves no byte for so long is given up. Default: 5 min. */
  readonly stallMs?: number;
}

/** Come back whatever their times say: who reads them wants what the scheduler wrote last. */
const ALWAYS_FETCHED: ReadonlySet<string> = new Set(["stdout.txt", "stderr.txt", "returncode"]);

/**
 * Copies job directories to and from another host over SSH.
 *
 * A copy is written beside its target, compared, and published by a rename; what is there under the target's name is
 * always whole. Times are part of a copy, see `tree_listing.ts`: they tell whole files from broken ones, so that
 * nothing is sent twice, and changed ones from unchanged ones, so that only what the job wrote comes back.
 */
export function sftpFileSystem(options: SftpFileSystemOptions): FileSystem {
  const { lease, isRemoteKept, isChecksummed, incomingDir, clock, logger } = options;
  const { connection } = lease;
  const entry = posix.resolve("/", options.entry);
  const where = connection.name;
  const turns = turnTaking(clock);
  const chooseTree = treeChooser({ connection, clock, stallMs: options.stallMs });

  let isMarked = false;

  const openLocal = (directory: string): LocalTree => openJobTree(directory, turns(), logger);
  /** Beside the target, hidden; named by it, so that a later try finds what an earlier one sent. */
  const partOf = (remote: string): string => posix.join(entry, `.${posix.basename(remote)}.part`);
  const outputsOf = (remote: string): string => outputsIn(entry, posix.basename(remote));
  const incomingOf = (remote: string): string => join(incomingDir, posix.basename(remote));
  const inJob = jobTransfers(entry, where);

  return {
    isStaged: true,
    locate: (id) => posix.join(entry, String(id)),
    upload: (localDirectory, remote, signal) =>
      inJob(remote, signal, async () => {
        const local = openLocal(localDirectory);
        try {
          const originals = await local.list(signal);
          const tree = await chooseTree(signal);
          const part = partOf(remote);
          const copying = { tree, where, isChecksummed };
          let sentBytes = await sendSmallTree(copying, local, originals, part, remote, signal);
          if (sentBytes === undefined) {
            const [published, begun] = await tree.list([remote, part], signal);
            if (published !== undefined) {
              if (firstDifference(originals, published) === undefined) return;
              throw new TransferError(
                `${remote} exists already on ${where} and is no copy of this job: remove it, or use another entry directory`,
                { retryable: false },
              );
            }
            sentBytes = await sendTree(copying, local, originals, part, begun, signal);
          }
          if (options.mark !== undefined && !isMarked)
            await tree.send(markOf(entry, options.mark), noEntries(), 0, signal);
          isMarked = true;
          await tree.rename(part, remote, signal);
          options.onCopied?.("in", sentBytes);
        } finally {
          local.close();
        }
      }),
    download: (remote, localDirectory, signal) =>
      inJob(remote, signal, async () => {
        const tree = await chooseTree(signal);
        const [input, outputs] = await tree.list([remote, outputsOf(remote)], signal);
        const output = outputs === undefined ? undefined : newestOutput(outputs, outputsOf(remote));
        const found = output?.entries ?? input;
        if (found === undefined) {
          throw new TransferError(`There is no directory ${remote} on ${where}`, { retryable: false });
        }
        const from = output?.directory ?? remote;
        const isVolatile = (path: RawName): boolean => ALWAYS_FETCHED.has(path);
        const local = openLocal(localDirectory);
        try {
          const originals = await local.list(signal);
          // What a performer has handed over is nothing but output.
          const isKnown = (one: ListedEntry): boolean =>
            output === undefined && !isVolatile(one.path) && isCopyOfAny(originals, one);
          const entries = entriesToFetch(found, isKnown, from, logger);
          const incomingDir = incomingOf(remote);
          const fetching = { from, entries, incomingDir, into: localDirectory, isVolatile, turns: turns() };
          const fetchedBytes = await fetchTree({ tree, where, isChecksummed }, fetching, signal);
          options.onCopied?.("out", fetchedBytes);
        } finally {
          local.close();
        }
      }),
    remove: (remote, signal) =>
      inJob(remote, signal, async () => {
        await rm(incomingOf(remote), { recursive: true, force: true });
        if (isRemoteKept) {
          logger.info("The remote copy of a job is kept", { directory: remote, host: where });
          return;
        }
        const tree = await chooseTree(signal);
        await tree.remove([remote, partOf(remote), outputsOf(remote)], signal);
      }),
    readFrom: (remote, fileName, fromByte, maxBytes, signal) =>
      inJob(remote, signal, () => readRemotePart(connection, posix.join(remote, fileName), fromByte, maxBytes, signal)),
    async close() {
      lease.close();
    },
  };
}

/** True when an entry is the unchanged copy of one of ours. */
function isCopyOfAny(originals: Listing, entry: ListedEntry): boolean {
  const original = originals.get(entry.path);
  return original !== undefined && isCopy(original, entry);
}

async function* noEntries(): AsyncGenerator<never, void, undefined> {}
