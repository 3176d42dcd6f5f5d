import type { SshConfig } from "../../src/config/config.ts";
import { sharedLeases } from "./shared_leases.ts";
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

export function sshPool(surroundings: SshSurroundings): SshPool {
  const shared = sharedLeases<SshConnection>();

  const leaseHost = (host: SshHost): SshLease => {
    // Different passwords or keys for one account are different connections.
    const { value: connection, close } = shared.lease(JSON.stringify(host), () => {
      const jump = host.proxyJump === undefined ? undefined : leaseHost(host.proxyJump);
      const opened = new SshConnection(host, surroundings, jump?.connection);
      if (!host.isHostKeyChecked) {
        surroundings.logger.warn(
          "host_key_checking is off: nobody notices when another machine takes the place of this host",
          { host: opened.name },
        );
      }
      return {
        value: opened,
        release() {
          opened.close();
          jump?.close();
        },
      };
    });
    return { connection, close };
  };

  return { lease: (config) => leaseHost(sshHost(config, surroundings.serviceUser)) };
}
