import { messageOf } from "../../../src/core/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import { type Lease, leaseWatch } from "./lease_watch.ts";
import type { QueueKeys } from "./queue_keys.ts";
import { decodePerformer, encodeEnd, encodeNews } from "./queue_messages.ts";
import { LOOK, SWEEP } from "./queue_scripts.ts";
import type { RedisConnection } from "./redis_connection.ts";
import { runScript } from "./redis_script.ts";

export interface SweepOptions {
  readonly connection: RedisConnection;
  readonly keys: QueueKeys;
  /** How long a performer may be silent before it and its jobs count as lost. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

/** Where the tag stands in news about any attempt. */
const PLACE = "PLACE";

const LONGEST_PAUSE_MS = 2_000;
const SHORTEST_PAUSE_MS = 100;
const PAUSES_PER_LEASE = 10;

/** Looks for performers that are silent for too long, and ends what they had. @returns stops that */
export function sweepPerformers({ connection, keys, leaseMs, clock, logger, signal }: SweepOptions): () => void {
  const watch = leaseWatch(leaseMs);
  const pauseMs = Math.max(SHORTEST_PAUSE_MS, Math.min(LONGEST_PAUSE_MS, leaseMs / PAUSES_PER_LEASE));

  const sweep = async (): Promise<void> => {
    const askedAtMs = clock.monotonicMs();
    const [life, entries] = (await connection.ask(signal, (client) =>
      runScript(client, LOOK, [keys.leases], []),
    )) as readonly [string, readonly string[]];
    const silent = watch.look({ server: life, leases: leasesIn(entries) }, askedAtMs, clock.monotonicMs());
    if (silent.length === 0) return;
    const names = silent.map(({ performer }) => performer);
    const present = await connection.ask(signal, (client) => client.hmGet(keys.performers, names));
    const lost = silent
      .map((lease, index) => ({ ...lease, ...presenceIn(present[index] ?? "", leaseMs) }))
      .filter((lease) => lease.silentMs >= lease.leaseMs);
    if (lost.length === 0) return;
    const values = [keys.attempts, keys.begun, keys.news];
    const ends = lost.flatMap((lease) => [lease.performer, lease.until, ...endsOf(lease)]);
    const swept = await connection.ask(signal, (client) =>
      runScript(client, SWEEP, [keys.leases, keys.performers, keys.heard], [...values, ...ends]),
    );
    const hosts = new Map(lost.map(({ performer, host }) => [performer, host]));
    for (const [performer, attempts] of swept as readonly [string, number][]) {
      const host = hosts.get(performer);
      logger.warn("A performer was lost", { performer, ...(host === undefined ? {} : { host }), attempts });
    }
  };
  let stop = clock.after(pauseMs, sweepAgain);
  function sweepAgain(): void {
    sweep()
      .catch((error: unknown) => logger.debug("Could not look for lost performers", { reason: messageOf(error) }))
      .finally(() => {
        if (!signal.aborted) stop = clock.after(pauseMs, sweepAgain);
      });
  }
  return () => stop();
}

/** @param entries performers and the ends of their leases in turn */
function leasesIn(entries: readonly string[]): readonly Lease[] {
  return entries.flatMap((performer, index) =>
    index % 2 === 0 ? [{ performer, until: entries[index + 1] ?? "" }] : [],
  );
}

interface Presence {
  readonly host?: string;
  /** How long it may be silent: its own configuration may say longer than ours, and it ends its commands only by that. */
  readonly leaseMs: number;
}

function presenceIn(text: string, ourLeaseMs: number): Presence {
  try {
    const { host, leaseMs } = decodePerformer(text);
    return { host, leaseMs: Math.max(leaseMs, ourLeaseMs) };
  } catch {
    // Of another version, or not there.
    return { leaseMs: ourLeaseMs };
  }
}

/** What is told of each attempt of a performer: its result, and the news in two parts. */
function endsOf({ host, leaseMs }: Presence): readonly string[] {
  const reason = `The performer was lost: nothing was heard of it for ${Math.round(leaseMs / 1000)} s`;
  const outcome = { isOk: false, returnCode: null, reason, ...(host === undefined ? {} : { host }) };
  const end = { type: "ended", outcome, isInterrupted: true } as const;
  const news = encodeNews({ tag: PLACE, status: end });
  // The tag stands before anything that a host may be called.
  const place = news.indexOf(PLACE);
  return [encodeEnd(end), news.slice(0, place), news.slice(place + PLACE.length)];
}
