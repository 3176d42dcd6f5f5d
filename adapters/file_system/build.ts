import type { FileSystemConfig } from "../../src/config/config.ts";
import { assertNever } from "../../src/core/assert_never.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { DiracClients } from "../dirac/dirac_clients.ts";
import type { SshPool } from "../ssh/ssh_pool.ts";
import { diracFileSystem } from "./dirac.ts";
import { localFileSystem } from "./local.ts";
import { type SftpFileSystemOptions, sftpFileSystem } from "./sftp.ts";

/** What the daemon gives to every file system. */
export interface FileSystemSurroundings
  extends Pick<SftpFileSystemOptions, "incomingDir" | "clock" | "logger" | "onCopied" | "mark"> {
  readonly ssh: SshPool;
  readonly dirac: DiracClients;
}

/** Nothing is connected yet. */
export function buildFileSystem(config: FileSystemConfig, surroundings: FileSystemSurroundings): FileSystem {
  switch (config.type) {
    case "local":
      return localFileSystem();
    case "sftp": {
      const { entry, isRemoteKept, isChecksummed } = config;
      const { ssh, dirac: _, ...given } = surroundings;
      const lease = ssh.lease(config.ssh);
      return sftpFileSystem({ lease, entry, isRemoteKept, isChecksummed, ...given });
    }
    case "dirac": {
      const { lfnRoot, storageElement } = config;
      const { ssh: _, dirac, ...given } = surroundings;
      return diracFileSystem({ lease: dirac.lease(config), logs: dirac.logs, lfnRoot, storageElement, ...given });
    }
    default:
      return assertNever(config);
  }
}
