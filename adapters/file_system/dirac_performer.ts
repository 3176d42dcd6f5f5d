import { rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { TransferError } from "../../src/core/errors.ts";
import { parseAttemptTag } from "../../src/core/ids.ts";
import { turnTaking } from "../../src/files/turns.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { PerformerFileSystem, WorkingCopy } from "../../src/ports/performer_file_system.ts";
import type { DiracLease } from "../dirac/dirac_clients.ts";
import { INPUT_ARCHIVE, outputArchive } from "../dirac/job_archives.ts";
import { proxyOnDemand } from "../dirac/proxy_on_demand.ts";
import { diracStorage, guidOf, putOnce } from "./dirac_storage.ts";
import { incomingFiles } from "./incoming.ts";
import { changedSince, recordInput } from "./input_record.ts";
import { jobTransfers } from "./job_transfers.ts";
import { openJobTree } from "./local_tree.ts";
import { packTar } from "./pack_tar.ts";
import { unpackTar } from "./unpack_tar.ts";

export interface DiracPerformerOptions {
  /** Closed with the file system. */
  readonly lease: DiracLease;
  /** Grid directory that has the directories of the jobs; absolute. */
  readonly lfnRoot: string;
  /** Where the output goes. */
  readonly storageElement: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What was there before the command, in the scratch directory. */
const RECORD = "input.json";

/**
 * A performer whose jobs are brought to grid storage by `diracFileSystem`: it fetches their input and stores what their
 * commands have made or changed, with a proxy of its own.
 */
export function diracPerformerFileSystem(options: DiracPerformerOptions): PerformerFileSystem {
  const { lease, storageElement, clock, logger } = options;
  const { tools, scratch, where, credential } = lease.client;
  const root = posix.resolve("/", options.lfnRoot);
  const storage = diracStorage({ tools, storageElement });
  const turns = turnTaking(clock);
  const ensureProxy = proxyOnDemand(credential, { clock, logger });

  const inJob = jobTransfers(root, where);
  const withProxy = (remote: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> =>
    inJob(remote, signal, async () => {
      await ensureProxy(signal);
      await work();
    });

  return {
    // Nobody can enter a directory of the grid.
    takeInPlace: async () => false,
    fetch: (copy, signal) => withProxy(copy.remote, signal, () => fetch(copy, signal)),
    send: (copy, signal) => withProxy(copy.remote, signal, () => send(copy, signal)),
    async close() {
      lease.close();
    },
  };

  async function fetch({ remote, directory, scratchDir }: WorkingCopy, signal: AbortSignal): Promise<void> {
    const lfn = posix.join(remote, INPUT_ARCHIVE);
    const archive = join(scratchDir, INPUT_ARCHIVE);
    const isThere = await scratch.within(signal, async (fetched) => {
      const isStored = await storage.get(lfn, fetched.path, signal);
      if (isStored) await fetched.fetch(INPUT_ARCHIVE, archive, signal);
      return isStored;
    });
    if (!isThere) throw new TransferError(`There is no ${lfn} on the grid`, { retryable: false });
    const incoming = incomingFiles(join(scratchDir, "incoming"));
    try {
      const entries = await unpackTar(archive, incoming, (path) =>
        logger.warn("A link that leaves the directory of its job was not copied", { directory: remote, path }),
      );
      await incoming.publish(directory, entries, turns());
    } finally {
      incoming.close();
      incoming.discard();
      await rm(archive, { force: true });
    }
    const tree = openJobTree(directory, turns(), logger);
    try {
      await recordInput(tree, join(scratchDir, RECORD), signal);
    } finally {
      tree.close();
    }
  }

  async function send({ tag, remote, directory, scratchDir }: WorkingCopy, signal: AbortSignal): Promise<void> {
    const name = outputArchive(parseAttemptTag(tag)?.attempt);
    const lfn = posix.join(remote, name);
    const archive = join(scratchDir, name);
    const tree = openJobTree(directory, turns(), logger);
    try {
      const changed = await changedSince(tree, join(scratchDir, RECORD), signal);
      const { size, sum } = await packTar(tree, archive, signal, changed);
      const guid = guidOf(tag, `${lfn} ${sum}`);
      const input = posix.join(remote, INPUT_ARCHIVE);
      if ((await storage.stat(input, signal)) === undefined) {
        // What comes too late would stay there for ever.
        throw new TransferError(`There is no ${input} on the grid any more`, { retryable: false });
      }
      await scratch.within(signal, async (sent) => {
        const path = await sent.send(archive, name, signal);
        await putOnce(storage, lfn, { path, size, guid }, signal);
      });
    } finally {
      tree.close();
      await rm(archive, { force: true });
    }
  }
}
