import { localCommandRunner } from "../../adapters/command_runner/local.ts";
import { type DiracClients, type DiracClientsOptions, diracClients } from "../../adapters/dirac/dirac_clients.ts";
import { sshPool } from "../../adapters/ssh/ssh_pool.ts";
import { sshSurroundings } from "./ssh_world.ts";

type Given = Pick<DiracClientsOptions, "environment" | "stateDir"> & Partial<DiracClientsOptions>;

/** Clients that share nothing with others: with the clock of the machine, and a log of their own unless one is given. */
export function ownDiracClients(given: Given): DiracClients {
  const { clock, logger } = { ...sshSurroundings(), ...given };
  const runner = localCommandRunner({ clock, logger });
  return diracClients({ runner, ssh: sshPool(sshSurroundings()), clock, logger, ...given });
}
