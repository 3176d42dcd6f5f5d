import type { Readable, Writable } from "node:stream";
import type { ClientChannel } from "ssh2";
import type { Link } from "./connect.ts";

/** How a remote command ended. */
export type RemoteEnd =
  | { readonly type: "exited"; readonly status: number }
  /** Name as in `SIGKILL`. */
  | { readonly type: "signalled"; readonly signal: string }
  /** The link was lost, or the host closed the channel without a word: it may have run, be running, or neither. */
  | { readonly type: "unknown" };

/** A command on another host, with its three streams. All output has to be read, or the end is never seen. */
export interface RemoteProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the first process has ended; what it left behind may still write. */
  readonly exited: Promise<RemoteEnd>;
  /** Resolves when nobody can write any more, or the link is lost. */
  readonly closed: Promise<RemoteEnd>;
  /** Signals the process group of the command, where the host lets us (OpenSSH from 7.9 on) and `stdin` is not ended. */
  signal(name: "TERM" | "KILL"): void;
  /** Closes the channel; a command that writes or reads then will notice. Idempotent. */
  abandon(): void;
}

/** @param onClosed called once when the channel is no longer in use */
export function remoteProcess(channel: ClientChannel, link: Link, onClosed: () => void): RemoteProcess {
  let end: RemoteEnd = { type: "unknown" };
  let forget = (): void => undefined;
  const exited = Promise.withResolvers<RemoteEnd>();
  const closed = Promise.withResolvers<RemoteEnd>();
  const settle = (): void => {
    forget();
    // Output that was on its way when the link was lost is missing, whatever the exit status.
    const seen: RemoteEnd = link.isLost ? { type: "unknown" } : end;
    exited.resolve(seen);
    closed.resolve(seen);
    onClosed();
  };
  channel.on("exit", (status: number | null, signal?: string) => {
    end = status === null ? { type: "signalled", signal: signal ?? "SIGKILL" } : { type: "exited", status };
    exited.resolve(end);
  });
  channel.once("close", settle);
  forget = link.onLost(settle);
  // A command need not read what it is given; the rest is dropped then.
  channel.on("error", () => undefined);
  channel.stderr.on("error", () => undefined);
  return {
    stdin: channel,
    stdout: channel,
    stderr: channel.stderr,
    exited: exited.promise,
    closed: closed.promise,
    signal(name) {
      if (!link.isLost) channel.signal(name);
    },
    abandon() {
      channel.close();
      channel.destroy();
      // The host may still send for a while; nobody reads that.
      channel.resume();
      channel.stderr.resume();
      settle();
    },
  };
}
