import { Buffer } from "node:buffer";
import type { FilePart } from "../../src/ports/file_system.ts";
import { SFTP_STATUS, withSftp } from "../ssh/sftp_calls.ts";
import type { SshConnection } from "../ssh/ssh_connection.ts";

/** What one request of SFTP brings at most. */
const CHUNK_BYTES = 32_768;

/**
 * Reads a part of a regular file on another host in a session of its own, which ends with it.
 *
 * @returns undefined when there is no such file, or it is none; no bytes at or behind its end
 */
export async function readRemotePart(
  connection: SshConnection,
  path: string,
  fromByte: number,
  maxBytes: number,
  signal: AbortSignal,
): Promise<FilePart | undefined> {
  return await withSftp(connection, "command", signal, async (calls) => {
    const info = await calls.lstat(path).catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === SFTP_STATUS.noSuchFile) return undefined;
      throw error;
    });
    // A job could put a link to any file of the account here, or a pipe that never answers.
    if (info === undefined || !info.isFile()) return undefined;
    const start = fromByte < 0 ? Math.max(0, info.size + fromByte) : fromByte;
    const into = Buffer.alloc(Math.max(0, Math.min(maxBytes, info.size - start)));
    if (into.length === 0) return { start, bytes: into };
    const handle = await calls.openToRead(path);
    let filled = 0;
    for (let count = -1; filled < into.length && count !== 0; filled += count) {
      count = await calls.read(handle, into.subarray(filled, filled + CHUNK_BYTES), start + filled);
    }
    await calls.close(handle);
    return { start, bytes: into.subarray(0, filled) };
  });
}
