import type { Random } from "../support/seeded_random.ts";

/** What can go wrong, each with a probability per occasion. */
export const FAULTS = [
  /** The store answers that it is away; nothing was written. */
  "store_is_away",
  /** The store wrote, then its answer was lost. */
  "store_answer_lost",
  "store_is_slow",
  /** Nothing was asked of the scheduler. */
  "scheduler_is_away",
  /** The scheduler did it, then its answer was lost. */
  "scheduler_answer_lost",
  /** The scheduler does it some time after the caller was told that there is no answer. */
  "scheduler_acts_late",
  "scheduler_is_slow",
  "scheduler_refuses",
  /** A job is not known just after its submission or its end. */
  "scheduler_forgets",
  "statuses_lag",
  /** A running job is told to be queued again. */
  "statuses_go_back",
  "push_is_lost",
  /** The machine of a command is lost, and its command with it. */
  "command_is_lost",
  /** A transfer breaks off half-way. */
  "transfer_breaks",
  "transfer_is_refused",
  "transfer_is_slow",
  "disk_fails",
  "picker_throws",
  "picker_is_away",
] as const;
export type FaultName = (typeof FAULTS)[number];

/** What happens to the whole daemon or to one of its parts, each so often per run. */
export const INCIDENTS = [
  "daemon_killed",
  "daemon_stopped",
  "job_actor_crashes",
  /** The actor of a job crashes in each of its lives, until it is given up. */
  "job_is_poisoned",
  "destination_actor_crashes",
  "store_outage",
  "scheduler_outage",
  "clock_set",
] as const;
export type Incident = (typeof INCIDENTS)[number];

export interface DestinationPlan {
  readonly name: string;
  readonly isStaged: boolean;
  /** True for a scheduler on the daemon's machine: it tells of changes, and submits within the call or not at all. */
  readonly canPush: boolean;
  readonly capacity: number;
  readonly maxReruns: number;
}

export interface PlannedIncident {
  readonly atMs: number;
  readonly incident: Incident;
}

/** All that a seed decides beforehand; what is left to chance is drawn while the run goes on. */
export interface Plan {
  readonly destinations: readonly DestinationPlan[];
  readonly rates: Readonly<Record<FaultName, number>>;
  readonly incidents: readonly PlannedIncident[];
  /** How many calls users make, and of which kind. */
  readonly userCalls: number;
  readonly deleteShare: number;
  readonly cancelShare: number;
  readonly maxRuntimeS: number | null;
  /** How long faults and calls go on. */
  readonly troubleMs: number;
}

/** Of most incidents there are up to three in a run. */
const MOST: Partial<Record<Incident, number>> = { job_actor_crashes: 8, destination_actor_crashes: 6 };
const CAPACITIES = [1, 1, 2, 3, Number.POSITIVE_INFINITY] as const;
const RATES = [0.01, 0.05, 0.2] as const;

/**
 * Draws a plan. Each run has only some of the faults, with rates of its own: what is never alone hides behind what
 * is always there.
 */
export function planOf(random: Random): Plan {
  const troubleMs = random.pick([5_000, 20_000, 60_000, 200_000]);
  const destinations = Array.from({ length: random.pick([1, 1, 2]) }, (_, index) => ({
    name: index === 0 ? "here" : "there",
    isStaged: random.chance(0.6),
    canPush: random.chance(0.4),
    capacity: random.pick(CAPACITIES),
    maxReruns: random.pick([0, 3]),
  }));
  const rates = Object.fromEntries(
    FAULTS.map((fault) => [fault, random.chance(0.35) ? random.pick(RATES) : 0]),
  ) as Record<FaultName, number>;
  const incidents = INCIDENTS.flatMap((incident) =>
    Array.from({ length: random.chance(0.4) ? 1 + random.int(MOST[incident] ?? 3) : 0 }, () => ({
      incident,
      atMs: random.int(troubleMs),
    })),
  );
  return {
    destinations,
    rates,
    incidents,
    userCalls: 2 + random.int(14),
    deleteShare: random.pick([0, 0.2, 0.5]),
    cancelShare: random.pick([0, 0.2, 0.5]),
    maxRuntimeS: random.pick([null, null, null, 3]),
    troubleMs,
  };
}
