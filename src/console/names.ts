import type { AdminJob, DaemonStatus } from "../ports/admin_service.ts";
import type { ConsoleClient } from "./client.ts";

/** Names that only a running daemon knows. */
export const NAME_KINDS = ["destinations", "jobs"] as const;
export type NameKind = (typeof NAME_KINDS)[number];

/** The command that prints them for a shell, one a line; nobody needs to know it. */
export const NAMES_COMMAND = "names";

const MOST_JOBS = 50;

/** Names for completion: all destinations, or the numbers of the newest jobs. */
export async function namesOf(client: ConsoleClient, kind: NameKind): Promise<readonly string[]> {
  if (kind === "destinations") {
    return (await client.get<DaemonStatus>("/status")).destinations.map(({ name }) => name);
  }
  const jobs = await client.get<readonly AdminJob[]>(`/jobs?limit=${MOST_JOBS}`);
  return jobs.map(({ id }) => String(id));
}
