import type { DestinationConfig } from "../../src/config/config.ts";
import type { DestinationPart } from "../../src/core/destination_health.ts";
import type { Credential } from "../../src/ports/credential.ts";
import type { DiracClients } from "./dirac_clients.ts";

/** The proxies that each part of a destination needs; they work as long as that part is not closed. */
export function credentialsOf(
  { scheduler, fileSystem }: Pick<DestinationConfig, "scheduler" | "fileSystem">,
  clients: Pick<DiracClients, "lease">,
): Readonly<Record<DestinationPart, readonly Credential[]>> {
  const needed = (part: DestinationConfig["scheduler"] | DestinationConfig["fileSystem"]): readonly Credential[] => {
    if (part.type !== "dirac") return [];
    const lease = clients.lease(part);
    // The part itself has one, too.
    lease.close();
    return [lease.client.credential];
  };
  return { scheduler: needed(scheduler), file_system: needed(fileSystem) };
}
