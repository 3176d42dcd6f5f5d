import { messageOf } from "../src/core/errors.ts";
import { type AttemptTag, parseAttemptTag } from "../src/core/ids.ts";
import type { HoldingPerformer, SeenPerformers } from "../src/core/job_explanation.ts";
import type { Performer, Performers, UnknownPerformers } from "../src/ports/admin_service.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { PerformerPresence } from "../src/ports/scheduler.ts";
import type { Destination } from "./destination.ts";
import type { JobWorld } from "./job_effects.ts";

/** Of a scheduler that does not answer in this time it is not known which there are. */
const PATIENCE_MS = 3_000;

/** The performers of a destination; null when its scheduler has none. */
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
export async function allPerformers(
  { destinations, store }: Pick<JobWorld, "destinations" | "store">,
  clock: Clock,
): Promise<Performers> {
  const performers: Performer[] = [];
  const unknown: UnknownPerformers[] = [];
  const seenAt = async (one: Destination) => [one.name, await presentPerformers(one, clock)] as const;
  for (const [destination, seen] of await Promise.all([...destinations.values()].map(seenAt))) {
    if (seen === null) continue;
    if (!seen.isKnown) unknown.push({ destination, reason: seen.reason, sinceOnMs: seen.sinceMs });
    else for (const one of seen.performers) performers.push(performerOf(one, destination, store.instanceId));
  }
  return { performers, unknown };
}

function performerOf(
  { tags, sinceMs, ...presence }: PerformerPresence,
  destination: string,
  instanceId: string,
): Performer {
  const attempts = tags.map(parseAttemptTag).filter((attempt) => attempt?.instanceId === instanceId);
  const jobs = attempts.flatMap((attempt) => attempt?.id ?? []).toSorted((a, b) => a - b);
  return { ...presence, destination, sinceOnMs: sinceMs, jobs };
}

/** The one that has a job; null when none has it, or it is not known. */
export function holderOf(seen: SeenPerformers<PerformerPresence> | null, tag: AttemptTag): HoldingPerformer | null {
  if (seen?.isKnown !== true) return null;
  const holder = seen.performers.find(({ tags }) => tags.includes(tag));
  return holder === undefined ? null : { name: holder.name, host: holder.host, silentForMs: holder.silentForMs };
}
