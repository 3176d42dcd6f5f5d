import type { FileEntryWithStats, SFTPWrapper, Stats } from "ssh2";
import { ConnectionError } from "../../src/core/errors.ts";
import type { ChannelUse } from "./channel_slots.ts";
import type { SshConnection } from "./ssh_connection.ts";

/** What an SFTP server answers, draft-ietf-secsh-filexfer-02 §7. */
export const SFTP_STATUS = { noSuchFile: 2, permissionDenied: 3, failure: 4 } as const;

/** An SFTP session with promises; names are one character per byte and must be UTF-8. */
export interface SftpCalls {
  lstat(path: string): Promise<Stats>;
  readdir(path: string): Promise<readonly FileEntryWithStats[]>;
  readlink(path: string): Promise<string>;
  mkdir(path: string, mode: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  /** Fails when `to` exists. */
  rename(from: string, to: string): Promise<void>;
  openToRead(path: string): Promise<Buffer>;
  openToWrite(path: string, mode: number): Promise<Buffer>;
  /** @returns how many bytes were read; 0 at the end */
  read(handle: Buffer, into: Buffer, position: number): Promise<number>;
  write(handle: Buffer, piece: Uint8Array, position: number): Promise<void>;
  setTimeAndMode(handle: Buffer, modifiedS: number, mode: number): Promise<void>;
  close(handle: Buffer): Promise<void>;
  /** Free blocks of the file system for ordinary users; undefined when the server does not tell. */
  freeBlocks(path: string): Promise<number | undefined>;
}

type Callback<T> = (error: (Error & { code?: number }) | null | undefined, value: T) => void;

/**
 * Works in an SFTP session of its own, which ends with the work, with the signal, or with the link.
 *
 * @throws the reason of the signal, and what {@link SshConnection.sftp} throws
 */
export async function withSftp<T>(
  connection: SshConnection,
  use: ChannelUse,
  signal: AbortSignal,
  work: (calls: SftpCalls) => Promise<T>,
): Promise<T> {
  const channel = await connection.sftp(use, signal);
  const pending = new Set<(fault: unknown) => void>();
  let fault: { readonly error: unknown } | undefined;
  const end = (error: unknown): void => {
    fault ??= { error };
    for (const reject of pending) reject(error);
    pending.clear();
  };
  const onAbort = (): void => end(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const forget = channel.link.onLost(() =>
    end(new ConnectionError("link_lost", `The connection to ${connection.name} was lost during a transfer`)),
  );
  const call = <V>(start: (done: Callback<V>) => unknown): Promise<V> =>
    new Promise((resolve, reject) => {
      if (fault !== undefined) return reject(fault.error);
      pending.add(reject);
      start((error, value) => {
        pending.delete(reject);
        if (error) reject(error);
        else resolve(value);
      });
    });
  try {
    return await work(callsOf(channel.sftp, call));
  } finally {
    signal.removeEventListener("abort", onAbort);
    forget();
    channel.close();
  }
}

function callsOf(sftp: SFTPWrapper, call: <V>(start: (done: Callback<V>) => unknown) => Promise<V>): SftpCalls {
  return {
    lstat: (path) => call((done) => sftp.lstat(path, done)),
    readdir: (path) => call((done) => sftp.readdir(path, done)),
    readlink: (path) => call((done) => sftp.readlink(path, done)),
    mkdir: (path, mode) => call((done: Callback<void>) => sftp.mkdir(path, { mode }, (error) => done(error))),
    chmod: (path, mode) => call((done: Callback<void>) => sftp.chmod(path, mode, (error) => done(error))),
    symlink: (target, path) => call((done: Callback<void>) => sftp.symlink(target, path, (error) => done(error))),
    unlink: (path) => call((done: Callback<void>) => sftp.unlink(path, (error) => done(error))),
    rmdir: (path) => call((done: Callback<void>) => sftp.rmdir(path, (error) => done(error))),
    rename: (from, to) => call((done: Callback<void>) => sftp.rename(from, to, (error) => done(error))),
    openToRead: (path) => call((done) => sftp.open(path, "r", done)),
    openToWrite: (path, mode) => call((done) => sftp.open(path, "w", { mode }, done)),
    read: (handle, into, position) =>
      call<number>((done) =>
        sftp.read(handle, into, 0, into.length, position, (error, count) =>
          // The end of a file is an answer.
          error !== undefined && error !== null && (error as { code?: number }).code === 1
            ? done(null, 0)
            : done(error, count),
        ),
      ),
    write: (handle, piece, position) =>
      call((done: Callback<void>) =>
        sftp.write(
          handle,
          Buffer.from(piece.buffer, piece.byteOffset, piece.length),
          0,
          piece.length,
          position,
          (error) => done(error),
        ),
      ),
    setTimeAndMode: (handle, modifiedS, mode) =>
      call((done: Callback<void>) =>
        sftp.fsetstat(handle, { atime: modifiedS, mtime: modifiedS, mode }, (error) => done(error)),
      ),
    close: (handle) => call((done: Callback<void>) => sftp.close(handle, (error) => done(error))),
    freeBlocks: (path) =>
      call<number | undefined>((done) =>
        sftp.ext_openssh_statvfs(path, (error, info) =>
          done(null, error ? undefined : Number((info as unknown as { f_bavail: number | bigint }).f_bavail)),
        ),
      ).catch(() => undefined),
  };
}
