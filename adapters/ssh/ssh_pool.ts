import type { SshConfig } from "../../src/config/config.ts";
import { SshConnection, type SshSurroundings } from "./ssh_connection.ts";
import { type SshHost, sshHost } from "./ssh_host.ts";

/** A share of a connection. */
export interface SshLease {
  readonly connection: SshConnection;
  /** The connection is closed with its last lease. Idempotent. */
  close(): void;
}

/** Makes sure that all parts of the daemon use one connection for one account on one host. */
export interface SshPool {
  lease(config: SshConfig): SshLease;
}

interface Shared {
  readonly connection: SshConnection;
  readonly jump: SshLease | undefined;
  leases: number;
}

export function sshPool(surroundings: SshSurroundings): SshPool {
  const shared = new Map<string, Shared>();

  const open = (host: SshHost): Shared => {
    const jump = host.proxyJump === undefined ? undefined : leaseHost(host.proxyJump);
    const connection = new SshConnection(host, surroundings, jump?.connection);
    if (!host.isHostKeyChecked) {
      surroundings.logger.warn(
        "host_key_checking is off: nobody notices when another machine takes the place of this host",
        { host: connection.name },
      );
    }
    return { connection, jump, leases: 0 };
  };

  const leaseHost = (host: SshHost): SshLease => {
    // Different passwords or keys for one account are different connections.
    const key = JSON.stringify(host);
    const entry = shared.get(key) ?? open(host);
    shared.set(key, entry);
    entry.leases += 1;
    let isClosed = false;
    return {
      connection: entry.connection,
      close() {
        if (isClosed) return;
        isClosed = true;
        entry.leases -= 1;
        if (entry.leases > 0) return;
        shared.delete(key);
        entry.connection.close();
        entry.jump?.close();
      },
    };
  };

  return { lease: (config) => leaseHost(sshHost(config, surroundings.serviceUser)) };
}
