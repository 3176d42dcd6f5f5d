import { DestinationAwayError } from "../src/core/errors.ts";
import type { Clock } from "../src/ports/clock.ts";
import { askBriefly } from "./ask_briefly.ts";
import type { CredentialDescription } from "./credential_messages.ts";
import type { Destination } from "./destination.ts";
import { type HealthDescription, type HealthMessage, healthName, type PartDescription } from "./health_messages.ts";
import type { Find } from "./job_directory.ts";
import type { JobWorld } from "./job_effects.ts";

/** When somebody may ask again while nobody knows when the destination is tried next. */
const USUAL_RETRY_MS = 5_000;

/** A job that somebody wants to submit. */
export interface Applicant {
  readonly application: string;
  readonly submitter: string;
  /** Its unpacked upload, once there is one. */
  readonly upload: { readonly name: string; readonly directory: string } | undefined;
}

/**
 * Refuses what would go to a destination that does not answer and whose jobs are not to wait for it.
 *
 * Without an upload this is known when the picker does not look at it, or when no destination takes jobs. With an upload
 * the picker is asked, and its choice noted for the job that becomes of it.
 *
 * @throws {DestinationAwayError}
 */
export async function checkDestinationAnswers(
  { world, find, clock }: { readonly world: JobWorld; readonly find: Find; readonly clock: Clock },
  { application, submitter, upload }: Applicant,
): Promise<void> {
  const { destinations, picker, picks } = world;
  const strict = [...destinations.values()].filter(({ rules }) => rules.refusesWhenAway);
  if (strict.length === 0) return;
  const found = await Promise.all(strict.map((destination) => absenceOf(destination, find, clock)));
  const absences = new Map(
    found.flatMap((error, at) => (error === undefined ? [] : [[strict[at]?.name ?? "", error]])),
  );
  if (absences.size === 0) return;
  const refuse = (error: DestinationAwayError | undefined): void => {
    if (error !== undefined) throw error;
  };
  const foreseen = destinations.size === 1 ? [...destinations.keys()][0] : picker.foresee?.(application);
  if (foreseen !== undefined) return refuse(absences.get(foreseen));
  if (absences.size === destinations.size) return refuse([...absences.values()][0]);
  if (upload === undefined) return;
  let name: string;
  try {
    name = await picker.pick({ jobDir: upload.directory, application, submitter });
  } catch {
    // That is told to the job, as always.
    return;
  }
  refuse(absences.get(name));
  picks.set(upload.name, name);
}

async function absenceOf(
  { name, scheduler }: Destination,
  find: Find,
  clock: Clock,
): Promise<DestinationAwayError | undefined> {
  if (scheduler.absence?.() !== undefined) return new DestinationAwayError(name, USUAL_RETRY_MS);
  const health = await askBriefly<HealthMessage, HealthDescription>(
    find(healthName(name)),
    (reply) => ({ type: "describe", reply }),
    clock,
  );
  const waits = Object.values(health ?? {}).map((part: PartDescription | CredentialDescription) =>
    waitMs(part, clock.nowMs()),
  );
  const longestMs = Math.max(0, ...waits);
  return longestMs > 0 ? new DestinationAwayError(name, longestMs) : undefined;
}

/**
 * How long nobody can know better; 0 when it is to be found out. A destination that nobody waits for is only found to
 * answer again by a job that tries.
 */
function waitMs(part: PartDescription | CredentialDescription, nowMs: number): number {
  // A keeper tries without being asked.
  if (part.state === "lost") return Math.max(USUAL_RETRY_MS, part.nextTryMs - nowMs);
  if (part.state !== "degraded") return 0;
  const leftMs = part.nextTryMs - nowMs;
  return leftMs > 0 ? leftMs : part.waiting > 0 ? USUAL_RETRY_MS : 0;
}
