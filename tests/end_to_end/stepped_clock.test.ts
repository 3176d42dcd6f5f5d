import { describe, expect, test } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { verdict } from "./kill_matrix/cells.ts";
import { memory } from "./kill_matrix/combinations.ts";
import { type FaultWorld, faultWorld } from "./kill_matrix/fault_world.ts";
import { type Account, GATED_STORIES, live, STORIES } from "./kill_matrix/stories.ts";

const DAY_MS = 86_400_000;

/** Lets the clock step while jobs run and wait, and then back. @param during what else happens after the first step */
async function stepClock(world: FaultWorld, byMs: number, during: () => Promise<void>): Promise<void> {
  const known: Account[] = [];
  const begin = (name: string, stories: typeof STORIES): readonly Promise<void>[] =>
    stories.map((story, index) => live(world, story, `${name}/${index}`, known));
  const early = begin("early", GATED_STORIES);
  await eventually("full slots", () => known.length === early.length && world.ledger().length === 2);
  world.stepClock(byMs);
  const late = begin("late", STORIES);
  await eventually("all submissions", () => known.length === early.length + late.length);
  await during();
  world.setGate(true);
  await Promise.all([...early, ...late]);
  expect(await verdict(world, known, known)).toEqual([]);
  world.stepClock(0);
  await Promise.all(begin("again", STORIES));
  expect(await verdict(world, known, known)).toEqual([]);
}

describe.each([
  ["forward", 400 * DAY_MS],
  ["back", -400 * DAY_MS],
])("a clock that steps a year %s and returns", (_direction, byMs) => {
  test("makes no command run too long, and neither loses nor doubles a job", async () => {
    await using world = await faultWorld({ ...memory("sqlite"), maxRuntimeS: 3_600 });
    await stepClock(world, byMs, async () => {});
  }, 300_000);

  test("does not bother the next daemon, which takes over what ran", async () => {
    await using world = await faultWorld(memory("sqlite"));
    await stepClock(world, byMs, async () => {
      await world.daemon.stop("SIGKILL");
      await world.daemon.restart();
    });
  }, 300_000);
});
