import { messageOf } from "../../../src/core/errors.ts";
import type { AttemptTag } from "../../../src/core/ids.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import type { PerformerPresence } from "../../../src/ports/scheduler.ts";
import type { QueueKeys } from "./queue_keys.ts";
import { decodePerformer } from "./queue_messages.ts";
import { PERFORMERS } from "./queue_scripts.ts";
import type { RedisConnection } from "./redis_connection.ts";
import { runScript } from "./redis_script.ts";

export interface PerformerListOptions {
  readonly connection: RedisConnection;
  readonly keys: QueueKeys;
  readonly logger: Logger;
}

/** A performer that is silent for longer, as a part of its lease, is told to be. It renews that several times in it. */
const SILENT_PART = 0.3;

/** Name, presence, milliseconds that are left of the lease, tags. */
type Row = readonly [string, string, number, readonly AttemptTag[]];

/**
 * Those that are there at this moment. What one says that cannot be understood hides no other.
 *
 * @throws {BartenderError} when none can be understood
 */
export async function listPerformers(
  { connection, keys, logger }: PerformerListOptions,
  signal: AbortSignal,
): Promise<readonly PerformerPresence[]> {
  const answer = await connection.ask(signal, (client) =>
    runScript(client, PERFORMERS, [keys.performers, keys.leases], [keys.begun]),
  );
  const present: PerformerPresence[] = [];
  const faults: unknown[] = [];
  for (const row of answer as readonly Row[]) {
    try {
      present.push(presenceIn(row));
    } catch (error) {
      faults.push(error);
      logger.warn("A performer cannot be understood", { performer: row[0], reason: messageOf(error) });
    }
  }
  if (present.length === 0 && faults.length > 0) throw faults[0];
  return present;
}

function presenceIn([name, text, leftMs, tags]: Row): PerformerPresence {
  const { destination: _, leaseMs, ...presence } = decodePerformer(text);
  const silentMs = leaseMs - leftMs;
  const silentForMs = silentMs > leaseMs * SILENT_PART ? silentMs : null;
  // What it says itself is as old as its last renewal.
  return { name, ...presence, running: tags.length, tags, silentForMs };
}
