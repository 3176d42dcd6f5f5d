import type { Clock } from "../../src/ports/clock.ts";
import { remoteFacts } from "../ssh/remote_facts.ts";
import type { SshConnection } from "../ssh/ssh_connection.ts";
import type { RemoteTree } from "./remote_tree.ts";
import { sftpTree } from "./sftp_tree.ts";
import { shellTree } from "./shell_tree.ts";

const DEFAULT_STALL_MS = 300_000;

export interface TreeChooserOptions {
  readonly connection: SshConnection;
  readonly clock: Clock;
  /** A transfer that moves no byte for so long is given up. Default: 5 min. */
  readonly stallMs?: number | undefined;
}

/** The faster way to move trees of files to and from a host that it has the programs for. */
export function treeChooser(options: TreeChooserOptions): (signal: AbortSignal) => Promise<RemoteTree> {
  const { connection, clock, stallMs = DEFAULT_STALL_MS } = options;
  const byShell = shellTree({ connection, clock, stallMs });
  const bySftp = sftpTree({ connection });
  return async (signal) => ((await remoteFacts(connection, clock, signal)).hasTar ? byShell : bySftp);
}
