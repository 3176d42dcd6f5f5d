import { type TarShare, tarShares } from "../../src/files/tar_writer.ts";
import type { TreeEntry } from "../../src/files/tree_walker.ts";

/** Sends one archive to its end. @throws also when the signal comes */
export type SendArchive = (bytes: TarShare["bytes"], signal: AbortSignal) => Promise<void>;

/**
 * Sends entries in several archives at a time. Who has not begun when another has come to the end, e.g. because the host
 * opens no further session, is not needed.
 *
 * @throws the first failure, after all have ended
 */
export async function sendShares(
  entries: AsyncIterable<TreeEntry>,
  count: number,
  signal: AbortSignal,
  send: SendArchive,
): Promise<void> {
  let fault: { readonly error: unknown } | undefined;
  const archives = tarShares(entries, count);
  const shares = archives.shares.map((share) => ({ share, end: new AbortController() }));
  const endOthers = (): void => {
    for (const { share, end } of shares) if (fault !== undefined || !share.hasBegun) end.abort();
  };
  const sendOne = async ({ share, end }: (typeof shares)[number]): Promise<void> => {
    try {
      await send(share.bytes, AbortSignal.any([signal, end.signal]));
    } catch (error) {
      if (share.hasBegun || !end.signal.aborted) fault ??= { error };
    }
    endOthers();
  };
  try {
    await Promise.all(shares.map(sendOne));
    if (fault !== undefined) throw fault.error;
  } finally {
    await archives.close();
  }
}
