import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type PostgresServer, startPostgres } from "../support/postgres_server.ts";
import { memory } from "./kill_matrix/combinations.ts";
import { type Database, faultWorld } from "./kill_matrix/fault_world.ts";
import { type Accident, killDaemon, runRandomly, serverAccidents } from "./kill_matrix/random_kills.ts";
import type { Account } from "./kill_matrix/stories.ts";

/*
 * BARTENDER_SEED=<n> makes the stories and accidents of that seed again, BARTENDER_RUNS=<n> that many runs, each with the
 * next seed. How far the daemon gets before an accident depends on the machine, too.
 */
const firstSeed = Number(process.env.BARTENDER_SEED ?? Math.floor(Math.random() * 1_000_000));
const runs = Number(process.env.BARTENDER_RUNS ?? 1);
const STORIES = 36;
const ROUNDS = 6;
const TIMEOUT_MS = 300_000;

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

async function runFrom(database: Database, accidents: readonly Accident[]): Promise<void> {
  await using world = await faultWorld(memory(database));
  const known: Account[] = [];
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const run = { seed, stories: STORIES, rounds: ROUNDS, accidents };
    const broken = await runRandomly(world, run, known).catch((error: unknown) => [String(error)]);
    const report = `BARTENDER_SEED=${seed}:\n${broken.join("\n")}\n\nThe last daemon said:\n${world.daemon.log()}`;
    expect(broken.length === 0 ? "" : report).toBe("");
  }
}

describe(`seed ${firstSeed}: every promise of a busy daemon is kept`, () => {
  test.concurrent("when it is killed at random moments", () => runFrom("sqlite", [killDaemon]), runs * TIMEOUT_MS);
  test.concurrent(
    "when it or its database server is killed, restarted or frozen at random moments",
    () => runFrom(postgres, [killDaemon, ...serverAccidents(postgres)]),
    runs * TIMEOUT_MS,
  );
});
