import type { Duplex } from "node:stream";
import type { Client, ClientChannel, SFTPWrapper } from "ssh2";
import { CommandStartError, ConnectionError, messageOf, OutcomeUnknownError } from "../../src/core/errors.ts";
import type { Link } from "./connect.ts";
import { type RemoteProcess, remoteProcess } from "./remote_process.ts";

/** An SFTP session; it takes one channel. */
export interface SftpChannel {
  readonly sftp: SFTPWrapper;
  readonly link: Link;
  /** Idempotent. */
  close(): void;
}

/**
 * Runs a line by the login shell of the account.
 *
 * @param release called once when the channel is no longer in use
 * @throws what {@link isChannelRefused} tells, or as `SshConnection.exec`
 */
export function openExec(link: Link, line: string, release: () => void): Promise<RemoteProcess> {
  return new Promise((resolve, reject) => {
    const onReply = (error: Error | undefined, channel: ClientChannel): void => {
      if (error === undefined) return resolve(remoteProcess(channel, link, release));
      if (isChannelRefused(error)) return reject(error);
      if (link.isLost || isUnanswered(error)) {
        return reject(new OutcomeUnknownError("The link was lost while a command was being started", error));
      }
      reject(
        new CommandStartError(`The host runs no commands: ${messageOf(error)}`, { retryable: false, cause: error }),
      );
    };
    attempt(
      (error) => reject(notConnected(error)),
      () => link.client.exec(line, onReply),
    );
  });
}

/** Opens an SFTP session. @param name of the connection, for messages @throws as {@link openExec} */
export function openSftp(link: Link, release: () => void, name: string): Promise<SftpChannel> {
  return new Promise((resolve, reject) => {
    const onReply = (error: Error | undefined, sftp: SFTPWrapper): void => {
      if (error !== undefined) {
        return reject(
          isChannelRefused(error)
            ? error
            : new ConnectionError("host_unreachable", `No SFTP session on ${name}: ${messageOf(error)}`, error),
        );
      }
      sftp.on("error", () => undefined);
      const forget = link.onLost(release);
      sftp.once("close", release);
      const close = (): void => {
        forget();
        sftp.end();
        release();
      };
      resolve({ sftp, link, close });
    };
    attempt(
      (error) => reject(notConnected(error)),
      () => link.client.sftp(onReply),
    );
  });
}

/** The client throws at once when its link is gone already. */
function attempt(fail: (error: unknown) => void, work: () => Client | boolean): void {
  try {
    work();
  } catch (error) {
    fail(error);
  }
}

function notConnected(error: unknown): ConnectionError {
  return new ConnectionError("link_lost", `The link was lost: ${messageOf(error)}`, error);
}

/** RFC 4254 §5.1: the host did not open a channel, for want of room or because it may not. */
export function isChannelRefused(error: unknown): boolean {
  return error instanceof Error && "reason" in error && typeof error.reason === "number";
}

function isUnanswered(error: Error): boolean {
  return error.message === "No response from server" || error.message === "Channel is not open";
}

/** Opens a way to another host. @param name of the connection, for messages @throws {ConnectionError} */
export function openForward(link: Link, hostname: string, port: number, name: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void =>
      reject(
        new ConnectionError(
          "host_unreachable",
          `Cannot reach ${hostname}:${port} through ${name}: ${messageOf(error)}`,
          error,
        ),
      );
    attempt(fail, () =>
      link.client.forwardOut("127.0.0.1", 0, hostname, port, (error, channel) =>
        error === undefined ? resolve(channel) : fail(error),
      ),
    );
  });
}
