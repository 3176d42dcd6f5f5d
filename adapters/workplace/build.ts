import type { FileSystemConfig } from "../../src/config/config.ts";
import { assertNever } from "../../src/core/assert_never.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { Workplace } from "../../src/ports/workplace.ts";
import type { DiracClients } from "../dirac/dirac_clients.ts";
import { diracPerformerFileSystem } from "../file_system/dirac_performer.ts";
import { sftpPerformerFileSystem } from "../file_system/sftp_performer.ts";
import type { SshPool } from "../ssh/ssh_pool.ts";
import { inPlaceWorkplace } from "./in_place.ts";
import { workingCopies } from "./working_copies.ts";

/** What a performer gives to the workplace of each destination. */
export interface WorkplaceSurroundings {
  readonly ssh: SshPool;
  readonly dirac: DiracClients;
  /** Private directory for copies of jobs; absolute, made when it is needed. */
  readonly copiesDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Nothing is connected yet. */
export function buildWorkplace(config: FileSystemConfig, surroundings: WorkplaceSurroundings): Workplace {
  const { ssh, copiesDir, clock, logger } = surroundings;
  switch (config.type) {
    case "local":
      return inPlaceWorkplace();
    case "sftp": {
      const { entry, isChecksummed } = config;
      const lease = ssh.lease(config.ssh);
      return workingCopies(sftpPerformerFileSystem({ lease, entry, isChecksummed, clock, logger }), copiesDir);
    }
    case "dirac": {
      const { lfnRoot, storageElement } = config;
      const lease = surroundings.dirac.lease(config);
      return workingCopies(diracPerformerFileSystem({ lease, lfnRoot, storageElement, clock, logger }), copiesDir);
    }
    default:
      return assertNever(config);
  }
}
