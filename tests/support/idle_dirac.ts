import { localCommandRunner } from "../../adapters/command_runner/local.ts";
import { type DiracClients, diracClients } from "../../adapters/dirac/dirac_clients.ts";
import { sshPool } from "../../adapters/ssh/ssh_pool.ts";
import { sshSurroundings } from "./ssh_world.ts";

/** For what has to be given DIRAC and does not use it. */
export function idleDirac(): DiracClients {
  const { clock, logger } = sshSurroundings();
  const runner = localCommandRunner({ clock, logger });
  const ssh = sshPool(sshSurroundings());
  return diracClients({ runner, ssh, environment: {}, stateDir: "/nonexistent", clock, logger });
}
