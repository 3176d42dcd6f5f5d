import { stat } from "node:fs/promises";
import { messageOf, TransferError } from "../../src/core/errors.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";

/**
 * For schedulers whose machines see the local job directories under the same path. Nothing is moved, and `remove`
 * takes nothing away: the one copy is the user's.
 */
export function localFileSystem(): FileSystem {
  return {
    isStaged: false,
    locate: (_, localDirectory) => localDirectory,
    upload: (localDirectory, remote, signal) => checkIsSame(localDirectory, remote, signal),
    download: (remote, localDirectory, signal) => checkIsSame(localDirectory, remote, signal),
    remove: async () => {},
    close: async () => {},
  };
}

async function checkIsSame(localDirectory: string, remote: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted) {
    throw new TransferError("The transfer was called off", { retryable: true, cause: signal.reason });
  }
  if (remote !== localDirectory) {
    throw new TransferError(`Cannot move files between ${localDirectory} and ${remote}: they are not the same`, {
      retryable: false,
    });
  }
  const found = await stat(localDirectory).catch((error: unknown) => {
    throw new TransferError(`Cannot use the job directory: ${messageOf(error)}`, {
      retryable: !isDefinite(error),
      cause: error,
    });
  });
  if (!found.isDirectory()) {
    throw new TransferError(`Cannot use the job directory: ${localDirectory} is not a directory`, { retryable: false });
  }
}

/** A lost network disk comes back; an absent directory does not. */
function isDefinite(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR" || code === "EACCES" || code === "ELOOP";
}
