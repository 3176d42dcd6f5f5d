import { messageOf } from "../src/core/errors.ts";
import type { SeenPerformers } from "../src/core/job_explanation.ts";
import type { Performer, Performers, UnknownPerformers } from "../src/ports/admin_service.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { PerformerPresence } from "../src/ports/scheduler.ts";
import type { Destination } from "./destination.ts";

/** Of a scheduler that does not answer in this time it is not known which there are. */
const PATIENCE_MS = 3_000;

/** The workers of a destination; null when it has none of its own. */
export async function presentPerformers(
  { scheduler }: Pick<Destination, "scheduler">,
  clock: Clock,
): Promise<SeenPerformers<PerformerPresence> | null> {
  if (scheduler.performers === undefined) return null;
  const abort = new AbortController();
  const late = Promise.withResolvers<never>();
  const reason = `Redis has not answered within ${PATIENCE_MS / 1000} s`;
  const stop = clock.after(PATIENCE_MS, () => {
    late.reject(new Error(reason));
    abort.abort(new Error(reason));
  });
  try {
    return { isKnown: true, performers: await Promise.race([scheduler.performers(abort.signal), late.promise]) };
  } catch (error) {
    const absence = scheduler.absence?.();
    return { isKnown: false, reason: absence?.reason ?? messageOf(error), sinceMs: absence?.sinceMs ?? null };
  } finally {
    stop();
  }
}

/** Those of all destinations that have such; a scheduler that is away hides only its own. */
export async function allPerformers(destinations: readonly Destination[], clock: Clock): Promise<Performers> {
  const performers: Performer[] = [];
  const unknown: UnknownPerformers[] = [];
  const all = await Promise.all(destinations.map((one) => presentPerformers(one, clock)));
  for (const [index, seen] of all.entries()) {
    const destination = destinations[index]?.name ?? "";
    if (seen === null) continue;
    if (seen.isKnown) performers.push(...seen.performers.map((performer) => ({ ...performer, destination })));
    else unknown.push({ destination, reason: seen.reason, sinceOnMs: seen.sinceMs });
  }
  return { performers, unknown };
}
