import { assertNever } from "../src/core/assert_never.ts";
import { messageOf } from "../src/core/errors.ts";
import type {
  CredentialStatus,
  DaemonStatus,
  DatabaseStatus,
  DestinationStatus,
  Incident,
  PartStatus,
} from "../src/ports/admin_service.ts";
import type { AdminStore, PhaseCount } from "../src/ports/admin_store.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Absence } from "../src/ports/scheduler.ts";
import { askBriefly } from "./ask_briefly.ts";
import type { Destination } from "./destination.ts";
import { type HealthDescription, type HealthMessage, healthName, type PartDescription } from "./health_messages.ts";
import type { Find } from "./job_directory.ts";
import type { JobWorld } from "./job_effects.ts";
import type { TreeNode } from "./kernel/tree_node.ts";
import {
  type DestinationDescription,
  type DestinationMessage,
  destinationName,
  type PollerDescription,
  type PollerMessage,
  pollerName,
  type StagerDescription,
  type StagerMessage,
  stagerName,
} from "./messages.ts";

/** What the daemon knows about its own process. */
export interface Process {
  readonly version: string;
  readonly runtime: string;
  readonly pid: number;
  readonly startedOnMs: number;
  /** Of the database, without password. */
  readonly database: string;
  /** What changes all the time. */
  measure(): Pick<DaemonStatus, "load" | "cpus" | "memoryBytes">;
}

export interface StatusSources {
  readonly world: Pick<JobWorld, "destinations" | "modes" | "store">;
  readonly admin: Pick<AdminStore, "unfinishedCounts">;
  readonly find: Find;
  readonly clock: Clock;
  readonly process: Process;
  inspect(): TreeNode;
}

/** How long the database may take before it counts as away. */
const DATABASE_PATIENCE_MS = 2_000;

/** How the daemon is, whatever does not answer. */
export async function daemonStatus(sources: StatusSources): Promise<DaemonStatus> {
  const { world, admin, clock, process, inspect } = sources;
  const [database, counts] = await databaseStatus(sources, () => admin.unfinishedCounts());
  const destinations = await Promise.all(
    Array.from(world.destinations.values(), (destination) => destinationStatus(sources, destination, counts)),
  );
  const { version, runtime, pid, startedOnMs } = process;
  const actors = flatten(inspect());
  return {
    ...{ version, runtime, pid, startedOnMs, nowOnMs: clock.nowMs(), ...process.measure(), database, destinations },
    unplaced: total(counts.filter(({ destination }) => destination === null)),
    actors: actors.filter(({ kind }) => kind === "actor").length,
    restarts: actors.reduce((sum, { restarts }) => sum + restarts, 0),
    lastCrash: lastCrash(actors),
  };
}

async function databaseStatus(
  { world, clock, process }: StatusSources,
  count: () => Promise<readonly PhaseCount[]>,
): Promise<readonly [DatabaseStatus, readonly PhaseCount[]]> {
  const startedMs = clock.monotonicMs();
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(DATABASE_PATIENCE_MS, () => late.reject(new Error("it does not answer")));
  try {
    const answer = (async () => {
      await world.store.ping();
      return [Math.round(clock.monotonicMs() - startedMs), await count()] as const;
    })();
    const [latencyMs, counts] = await Promise.race([answer, late.promise]);
    return [{ name: process.database, latencyMs, fault: null }, counts];
  } catch (error) {
    return [{ name: process.database, latencyMs: null, fault: messageOf(error) }, []];
  } finally {
    cancel();
  }
}

/** What the actors of one destination say about it. */
export async function destinationStatus(
  { world, find, clock }: Pick<StatusSources, "world" | "find" | "clock">,
  { name }: Pick<Destination, "name">,
  counts: readonly PhaseCount[],
): Promise<DestinationStatus> {
  const [health, slots, poll, copies] = await Promise.all([
    askBriefly<HealthMessage, HealthDescription>(
      find(healthName(name)),
      (reply) => ({ type: "describe", reply }),
      clock,
    ),
    askBriefly<DestinationMessage, DestinationDescription>(
      find(destinationName(name)),
      (reply) => ({ type: "describe", reply }),
      clock,
    ),
    askBriefly<PollerMessage, PollerDescription>(
      find(pollerName(name)),
      (reply) => ({ type: "describe", reply }),
      clock,
    ),
    askBriefly<StagerMessage, StagerDescription>(
      find(stagerName(name)),
      (reply) => ({ type: "describe", reply }),
      clock,
    ),
  ]);
  const saved = world.modes.saved(name);
  const absence = world.destinations.get(name)?.scheduler.absence?.();
  return {
    name,
    mode: world.modes.of(name),
    modeBy: saved?.by ?? null,
    modeOnMs: saved?.onMs ?? null,
    scheduler: health === undefined ? null : schedulerStatus(health.scheduler, absence),
    fileSystem: health === undefined ? null : partStatus(health.file_system),
    credential: health?.credential === undefined ? null : credentialStatus(health.credential),
    slots:
      slots === undefined
        ? null
        : {
            capacity: Number.isFinite(slots.capacity) ? slots.capacity : null,
            held: slots.held,
            waiting: slots.waiting,
          },
    copies: copies ?? null,
    poll: poll === undefined ? null : { jobs: poll.jobs, nextOnMs: poll.nextMs },
    phases: counts.filter(({ destination }) => destination === name).map(({ phase, count }) => ({ phase, count })),
  };
}

/** Whoever knows without a question that nobody answers does not wait for the next one. */
function schedulerStatus(part: PartDescription, absence: Absence | undefined): PartStatus {
  if (part.state !== "healthy" || absence === undefined) return partStatus(part);
  const { reason, sinceMs } = absence;
  const lastFault = { message: reason, onMs: sinceMs };
  return { isHealthy: false, sinceOnMs: sinceMs, nextTryOnMs: null, lastFault, waiting: 0 };
}

function partStatus(part: PartDescription): PartStatus {
  switch (part.state) {
    case "healthy": {
      const { lastFault } = part;
      return {
        ...{ isHealthy: true, sinceOnMs: null, nextTryOnMs: null, waiting: 0 },
        lastFault: lastFault === undefined ? null : { message: lastFault.reason, onMs: lastFault.atMs },
      };
    }
    case "degraded":
      return {
        ...{ isHealthy: false, sinceOnMs: part.sinceMs, nextTryOnMs: part.nextTryMs, waiting: part.waiting },
        lastFault: { message: part.reason, onMs: part.sinceMs },
      };
  }
}

function credentialStatus(credential: NonNullable<HealthDescription["credential"]>): CredentialStatus {
  const { name } = credential;
  const none = { name, sinceOnMs: null, nextTryOnMs: null, lastFault: null, waiting: 0, endsOnMs: null, trouble: null };
  switch (credential.state) {
    case "unknown":
      return { ...none, isHealthy: true };
    case "valid": {
      const { endsMs, trouble, nextTryMs } = credential;
      return { ...none, isHealthy: true, nextTryOnMs: nextTryMs, endsOnMs: endsMs, trouble };
    }
    case "lost": {
      const { reason, sinceMs, nextTryMs, waiting } = credential;
      const lastFault = { message: reason, onMs: sinceMs };
      return { ...none, isHealthy: false, sinceOnMs: sinceMs, nextTryOnMs: nextTryMs, lastFault, waiting };
    }
    default:
      return assertNever(credential);
  }
}

function flatten(node: TreeNode): readonly TreeNode[] {
  return [node, ...node.children.flatMap(flatten)];
}

function lastCrash(nodes: readonly TreeNode[]): Incident | null {
  let last: Incident | null = null;
  for (const { path, lastFault } of nodes) {
    if (lastFault === null || (last !== null && last.onMs >= lastFault.atMs)) continue;
    last = { message: `${path}: ${lastFault.message}`, onMs: lastFault.atMs };
  }
  return last;
}

function total(counts: readonly PhaseCount[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0);
}
