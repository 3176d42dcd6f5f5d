import { mkdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join, posix } from "node:path";
import { TransferError } from "../../src/core/errors.ts";
import { turnTaking } from "../../src/files/turns.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { DiracLease } from "../dirac/dirac_clients.ts";
import { INPUT_ARCHIVE, outputArchive } from "../dirac/job_archives.ts";
import type { RescuedLogs } from "../dirac/rescued_logs.ts";
import { diracStorage, guidOf, putOnce } from "./dirac_storage.ts";
import { incomingFiles } from "./incoming.ts";
import { jobTransfers } from "./job_transfers.ts";
import { openJobTree } from "./local_tree.ts";
import { packTar } from "./pack_tar.ts";
import { probeStorage } from "./probe_storage.ts";
import { unpackTar } from "./unpack_tar.ts";

export interface DiracFileSystemOptions {
  /** Closed with the file system. */
  readonly lease: DiracLease;
  /** Of jobs that left no output. */
  readonly logs: RescuedLogs;
  /** Grid directory that has the directories of the jobs; absolute. */
  readonly lfnRoot: string;
  readonly storageElement: string;
  /** Private directory on the file system of the job directories, for files on their way; absolute. */
  readonly incomingDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told the size of each archive that was stored or fetched. */
  readonly onCopied?: ((direction: "in" | "out", bytes: number) => void) | undefined;
}

/**
 * Moves job directories to and from grid storage, each way as one archive, see `job_archives.ts`.
 *
 * A name on the grid belongs to one file for ever. Each archive has a GUID made from its name, its content and this
 * installation, so that what an earlier try has stored is known again without being fetched, and nobody else's file is
 * taken for it or replaced. (DIRAC's own GUIDs are those of the content, and a catalogue may refuse equal ones.)
 *
 * There are no logs of running jobs: a node writes to its own disk.
 */
export function diracFileSystem(options: DiracFileSystemOptions): FileSystem {
  const { lease, logs, storageElement, incomingDir, clock, logger } = options;
  const { tools, scratch, where } = lease.client;
  const root = posix.resolve("/", options.lfnRoot);
  const owner = `${hostname()} ${incomingDir}`;
  const turns = turnTaking(clock);
  const storage = diracStorage({ tools, storageElement });

  const incomingOf = (remote: string): string => join(incomingDir, posix.basename(remote));
  const inJob = jobTransfers(root, where);

  return {
    isStaged: true,
    locate: (id) => posix.join(root, String(id)),
    upload: (localDirectory, remote, signal) =>
      inJob(remote, signal, async () => {
        const local = openJobTree(localDirectory, turns(), logger);
        const incoming = incomingOf(remote);
        try {
          await mkdir(incoming, { recursive: true, mode: 0o700 });
          const archive = join(incoming, INPUT_ARCHIVE);
          const { size, sum } = await packTar(local, archive, signal);
          const lfn = posix.join(remote, INPUT_ARCHIVE);
          const guid = guidOf(owner, `${lfn} ${sum}`);
          await scratch.within(signal, async (directory) => {
            const path = await directory.send(archive, INPUT_ARCHIVE, signal);
            await putOnce(storage, lfn, { path, size, guid }, signal);
          });
          options.onCopied?.("in", size);
        } finally {
          local.close();
          await rm(incoming, { recursive: true, force: true });
        }
      }),
    download: (remote, localDirectory, signal, attempt) =>
      inJob(remote, signal, async () => {
        const name = outputArchive(attempt);
        const incoming = incomingFiles(incomingOf(remote));
        const archive = join(incomingOf(remote), name);
        try {
          const isThere = await scratch.within(signal, async (directory) => {
            const isStored = await storage.get(posix.join(remote, name), directory.path, signal);
            if (isStored) await directory.fetch(name, archive, signal);
            return isStored;
          });
          if (!isThere) return await takeRescued(posix.join(remote, name), localDirectory);
          const { size } = await stat(archive);
          const entries = await unpackTar(archive, incoming, (path) =>
            logger.warn("A link that leaves the directory of its job was not copied", { directory: remote, path }),
          );
          signal.throwIfAborted();
          await incoming.publish(localDirectory, entries, turns());
          options.onCopied?.("out", size);
        } finally {
          incoming.close();
          incoming.discard();
        }
      }),
    remove: (remote, signal) =>
      inJob(remote, signal, async () => {
        await rm(incomingOf(remote), { recursive: true, force: true });
        await storage.clean(remote, signal);
        await logs.drop(remote);
      }),
    probe: (signal) => probeStorage({ storage, scratch, directory: root, storageElement }, signal),
    async close() {
      lease.close();
    },
  };

  /** What the scheduler saved of a job that came to nothing is all that there will ever be. */
  async function takeRescued(lfn: string, localDirectory: string): Promise<void> {
    const directory = posix.dirname(lfn);
    const names = await logs.copyTo(localDirectory, directory);
    if (names.length === 0) {
      throw new TransferError(`The job left no ${posix.basename(lfn)} in ${directory}`, { retryable: false });
    }
    logger.info("A job left no output but its logs", { directory, names });
  }
}
