import type { SshServer } from "../../support/ssh_server.ts";
import type { Database, FaultWorldOptions } from "./fault_world.ts";

/** Far more than any machine has, so that no job waits. */
const MAX_LOAD = 10_000;

/** Commands on this machine, as many at a time as there are slots. */
export function memory(database: Database): FaultWorldOptions {
  return { database, slots: 2, scheduler: "{type: memory, slots: 2}" };
}

/** Commands on this machine, any number at a time. */
export function eager(database: Database): FaultWorldOptions {
  return { database, scheduler: `{type: eager, max_load: ${MAX_LOAD}}` };
}

/** Commands on this machine in copies of the job directories that are made over SSH, as for a cluster. */
export function copied(database: Database, server: SshServer): FaultWorldOptions {
  const { config: ssh, entry } = server;
  return { ...memory(database), copies: { type: "sftp", ssh, entry, isRemoteKept: false, isChecksummed: false } };
}
