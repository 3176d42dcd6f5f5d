import { rmSync, statSync } from "node:fs";
import { posix } from "node:path";
import { messageOf, TransferError } from "../../src/core/errors.ts";
import { parseAttemptTag } from "../../src/core/ids.ts";
import type { RawName } from "../../src/files/open_directory.ts";
import { turnTaking } from "../../src/files/turns.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { PerformerFileSystem, WorkingCopy } from "../../src/ports/performer_file_system.ts";
import type { SshLease } from "../ssh/ssh_pool.ts";
import { jobTransfers } from "./job_transfers.ts";
import { type LocalTree, openLocalTree } from "./local_tree.ts";
import { below, markOf, outputName, outputsIn, partialOutputName } from "./remote_outputs.ts";
import { transferFault } from "./transfer_faults.ts";
import { treeChooser } from "./tree_chooser.ts";
import { entriesToFetch, fetchTree, sendTree } from "./tree_copies.ts";
import { firstDifference, isSame, type ListedEntry, type Listing } from "./tree_listing.ts";

export interface SftpPerformerOptions {
  /** Closed with the file system. */
  readonly lease: SshLease;
  /** Remote directory that has the directories of the jobs; absolute. */
  readonly entry: string;
  readonly isChecksummed: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A transfer that moves no byte for so long is given up. Default: 5 min. */
  readonly stallMs?: number;
}

/** Made by every attempt anew, whatever its times say. */
const ALWAYS_SENT: ReadonlySet<RawName> = new Set(["stdout.txt", "stderr.txt", "returncode"]);

/**
 * A performer whose jobs are brought to a host by `sftpFileSystem`. On that host itself, and wherever its entry directory
 * is mounted under the same path, commands run in it. From elsewhere the directory of a job is fetched over SSH, and
 * what the command has left goes to a place beside it, see `remote_outputs.ts`.
 */
export function sftpPerformerFileSystem(options: SftpPerformerOptions): PerformerFileSystem {
  const { lease, isChecksummed, clock, logger } = options;
  const { connection } = lease;
  const entry = posix.resolve("/", options.entry);
  const where = connection.name;
  const turns = turnTaking(clock);
  const chooseTree = treeChooser({ connection, clock, stallMs: options.stallMs });

  const outputsOf = (remote: string): string => outputsIn(entry, posix.basename(remote));
  const inJob = jobTransfers(entry, where);

  return {
    takeInPlace: ({ tag, remote }, signal) =>
      inJob(remote, signal, async () => {
        const daemon = parseAttemptTag(tag)?.instanceId;
        if (daemon === undefined || !isDirectory(markOf(entry, daemon)) || !isDirectory(remote)) return false;
        // Output of an earlier attempt elsewhere would be taken for ours.
        here(() => rmSync(outputsOf(remote), { recursive: true, force: true }));
        return true;
      }),
    fetch: ({ remote, directory, scratchDir }, signal) =>
      inJob(remote, signal, async () => {
        const tree = await chooseTree(signal);
        const [found] = await tree.list([remote], signal);
        if (found === undefined) {
          throw new TransferError(`There is no directory ${remote} on ${where}`, { retryable: false });
        }
        const known = await listLocal(directory, signal);
        const isKnown = (one: ListedEntry): boolean => isSame(one, known.get(one.path));
        const entries = entriesToFetch(found, isKnown, remote, logger);
        const incomingDir = posix.join(scratchDir, "incoming");
        const fetching = {
          from: remote,
          entries,
          incomingDir,
          into: directory,
          isVolatile: () => false,
          turns: turns(),
        };
        await fetchTree({ tree, where, isChecksummed }, fetching, signal);
      }),
    send: (copy, signal) => inJob(copy.remote, signal, () => send(copy, signal)),
    async close() {
      lease.close();
    },
  };

  async function send({ tag, remote, directory }: WorkingCopy, signal: AbortSignal): Promise<void> {
    const attempt = parseAttemptTag(tag)?.attempt ?? 1;
    const outputs = outputsOf(remote);
    const target = posix.join(outputs, outputName(attempt));
    const part = posix.join(outputs, partialOutputName(attempt));
    const tree = await chooseTree(signal);
    const [input, sent] = await tree.list([remote, outputs], signal);
    if (input === undefined) {
      throw new TransferError(`There is no directory ${remote} on ${where} any more`, { retryable: false });
    }
    const local = openLocal(directory);
    try {
      const originals = madeByCommand(await local.list(signal), input);
      if (sent?.has(outputName(attempt)) === true) {
        if (firstDifference(originals, below(sent, outputName(attempt))) === undefined) return;
        await tree.remove([target], signal);
      }
      const begun = sent === undefined ? undefined : below(sent, partialOutputName(attempt));
      await sendTree({ tree, where, isChecksummed }, local, originals, part, begun, signal);
      await tree.rename(part, target, signal);
    } finally {
      local.close();
    }
  }

  async function listLocal(directory: string, signal: AbortSignal): Promise<Listing> {
    const local = openLocal(directory);
    try {
      return await local.list(signal);
    } finally {
      local.close();
    }
  }

  function openLocal(directory: string): LocalTree {
    try {
      return openLocalTree(directory, turns(), (path, why) =>
        logger.warn("A file of a job was not copied", { directory, path, reason: why }),
      );
    } catch (error) {
      throw new TransferError(`Cannot use the working copy: ${messageOf(error)}`, { retryable: false, cause: error });
    }
  }
}

/** What differs from the input, with the directories above it. */
function madeByCommand(found: Listing, input: Listing): Listing {
  const made = new Map<RawName, ListedEntry>();
  for (const [path, entry] of found) {
    if (!ALWAYS_SENT.has(path) && isSame(entry, input.get(path))) continue;
    for (let cut = path.indexOf("/"); cut >= 0; cut = path.indexOf("/", cut + 1)) {
      const above = found.get(path.slice(0, cut));
      if (above !== undefined) made.set(above.path, above);
    }
    made.set(path, entry);
  }
  return made;
}

/** A directory that may not be looked at is a fault of the set-up; going on elsewhere would hide it. */
function isDirectory(path: string): boolean {
  return here(() => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true);
}

/** Faults of the local disk are not to be taken for those of the other host. */
function here<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw transferFault("this machine", messageOf(error), error);
  }
}
