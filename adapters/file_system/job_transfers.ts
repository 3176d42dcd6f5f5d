import { posix } from "node:path";
import { TransferError } from "../../src/core/errors.ts";
import { asTransferError } from "./transfer_faults.ts";

/** Does work for the directory of a job. @throws {TransferError} whatever goes wrong, and where there can be no job */
export type JobTransfer = <T>(remote: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

/**
 * Lets work be done in the directories of jobs alone.
 *
 * @param root has them; absolute
 * @param where for people, e.g. `user@host:22`
 */
export function jobTransfers(root: string, where: string): JobTransfer {
  return async (remote, signal, work) => {
    try {
      signal.throwIfAborted();
      if (posix.dirname(remote) !== root || !/^\d+$/.test(posix.basename(remote))) {
        throw new TransferError(`${remote} is no job directory of ${root}`, { retryable: false });
      }
      return await work();
    } catch (error) {
      throw asTransferError(error, where, signal);
    }
  };
}
