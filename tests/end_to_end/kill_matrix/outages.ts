import { eventually } from "../../support/eventually.ts";
import type { PostgresServer } from "../../support/postgres_server.ts";
import { verdict } from "./cells.ts";
import type { FaultWorld } from "./fault_world.ts";
import { type Account, GATED_STORIES, live } from "./stories.ts";

/** Enough for a daemon that has noticed what happened to do everything that it should not, also on a busy machine. */
const TIME_FOR_FAULTS_MS = 2_000;

/**
 * Lets the daemon die while its database is away: first while all slots are taken by commands that run on, then after
 * these have ended, which the daemon has seen and could not save.
 *
 * @returns what was promised and not kept
 */
export async function dieWithoutDatabase(world: FaultWorld, server: PostgresServer): Promise<readonly string[]> {
  const accounts: Account[] = [];
  const lives = GATED_STORIES.map((story, index) => live(world, story, `outage/${index}`, accounts));
  const lived = Promise.all(lives);
  // Told when all are over.
  lived.catch(() => {});
  const count = (wanted: "start" | "end") => world.ledger().filter(({ what }) => what === wanted).length;
  // Commands may run for a moment before that is saved.
  const saved = async (): Promise<number> => {
    const states = accounts.map(async ({ id, user }) => (await world.ask(user, "GET", `/api/job/${id}`)).body);
    return (await Promise.all(states)).filter((body) => (body as { readonly state: string }).state === "running")
      .length;
  };
  await eventually("full slots", async () => accounts.length === lives.length && (await saved()) === 2);

  await server.stop();
  await dieAndRecover(world, server);

  await server.stop();
  const logged = world.daemon.log().length;
  world.setGate(true);
  await eventually("the end of both commands", () => count("end") >= 2);
  world.setGate(false);
  // Either that it cannot be saved, or in spite of that.
  const isNoticed = () => /The store is away|The job has ended/.test(world.daemon.log().slice(logged));
  await eventually("a word about the end of a command", isNoticed);
  await Bun.sleep(TIME_FOR_FAULTS_MS);
  await dieAndRecover(world, server);

  world.setGate(true);
  await lived;
  return await verdict(world, accounts, accounts);
}

async function dieAndRecover(world: FaultWorld, server: PostgresServer): Promise<void> {
  await world.daemon.stop("SIGKILL");
  await server.start();
  await world.daemon.restart();
  const isReady = async () => (await world.ask("alice", "GET", "/api/ready")).status === 200;
  await eventually("the end of the recovery", isReady);
  await Bun.sleep(TIME_FOR_FAULTS_MS);
}
