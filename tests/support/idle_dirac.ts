import type { DiracClients } from "../../adapters/dirac/dirac_clients.ts";
import { ownDiracClients } from "./own_dirac_clients.ts";

/** For what has to be given DIRAC and does not use it. */
export function idleDirac(): DiracClients {
  return ownDiracClients({ environment: {}, stateDir: "/nonexistent" });
}
