import type { PostgresServer } from "../../support/postgres_server.ts";
import { randomOf } from "../../support/seeded_random.ts";
import { verdict } from "./cells.ts";
import type { FaultWorld } from "./fault_world.ts";
import { type Account, live, type Story } from "./stories.ts";

/** An accident that befalls the daemon or what it depends on, and its end. */
export type Accident = (world: FaultWorld) => Promise<void>;

export interface RandomRun {
  /** Makes the same stories and accidents at the same times again, as far as the machine allows. */
  readonly seed: number;
  readonly stories: number;
  readonly accidents: readonly Accident[];
  /** How many of them happen, one after the other. */
  readonly rounds: number;
}

const USERS = ["alice", "bob", "carol", "dave"];

/** Stories begin within this time, so that every accident meets jobs in all states. */
const BEGIN_WITHIN_MS = 400;
const LONGEST_CALM_MS = 700;
const OUTAGE_MS = 300;

/** Dies at once and comes back. */
export const killDaemon: Accident = async ({ daemon }) => {
  await daemon.stop("SIGKILL");
  await daemon.restart();
};

/** Accidents of a database server; the daemon has to outlive them. */
export function serverAccidents(server: PostgresServer): readonly Accident[] {
  const restartedAfter = (signal: NodeJS.Signals) => async () => {
    await server.stop(signal);
    await Bun.sleep(OUTAGE_MS);
    await server.start();
  };
  const frozen: Accident = async () => {
    server.freeze();
    await Bun.sleep(OUTAGE_MS);
    server.thaw();
  };
  const withTheDaemon: Accident = async (world) => {
    await world.daemon.stop("SIGKILL");
    await restartedAfter("SIGKILL")();
    await world.daemon.restart();
  };
  return [restartedAfter("SIGINT"), restartedAfter("SIGKILL"), frozen, withTheDaemon];
}

/**
 * Lets many users live random stories while accidents happen at random moments.
 *
 * @param known accounts of earlier runs in the same world; those of this one are added
 * @returns what was promised and not kept
 */
export async function runRandomly(world: FaultWorld, run: RandomRun, known: Account[]): Promise<readonly string[]> {
  const { int: below } = randomOf(run.seed);
  const accounts: Account[] = [];
  let begun = 0;
  const perRound = Math.ceil(run.stories / run.rounds);
  const lives: Promise<void>[] = [];
  for (let round = 0; round < run.rounds; round++) {
    for (let n = 0; n < perRound && begun < run.stories; n++, begun++) {
      const story = randomStory(below);
      const key = `${run.seed}/${begun}`;
      const life = Bun.sleep(below(BEGIN_WITHIN_MS)).then(() => live(world, story, key, accounts));
      // Told when all are over.
      life.catch(() => {});
      lives.push(life);
    }
    await Bun.sleep(below(LONGEST_CALM_MS));
    await run.accidents[below(run.accidents.length)]?.(world);
  }
  await Promise.all(lives);
  known.push(...accounts);
  return await verdict(world, accounts, known);
}

function randomStory(below: (limit: number) => number): Story {
  const user = USERS[below(USERS.length)] ?? "alice";
  const code = below(3) === 0 ? 1 + below(100) : 0;
  switch (below(8)) {
    case 0:
      return { user, work: "endless", code: 0, wish: "cancel", when: "started" };
    case 1:
      return { user, work: "endless", code: 0, wish: "delete", when: "started" };
    case 2:
      return { user, work: "endless", code: 0, wish: "cancel", when: "at once" };
    case 3:
      return { user, work: "short", code, wish: "delete", when: "at once" };
    case 4:
      return { user, work: "short", code, wish: "delete", when: "ended" };
    default:
      return { user, work: "short", code, wish: "wait", when: "ended" };
  }
}
