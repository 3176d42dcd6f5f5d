import { expect, test } from "bun:test";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { endingLeftovers } from "../../../../adapters/scheduler/redis/end_leftovers.ts";
import { schedulerJobId } from "../../../../src/core/ids.ts";
import type { Scheduler } from "../../../../src/ports/scheduler.ts";
import { ManualClock } from "../../../support/manual_clock.ts";
import { recordingLogger } from "../../../support/recording_logger.ts";

/** A performer that forgets one attempt, and a process table that fails when told to: a real one does so at random moments. */
function setup() {
  const clock = new ManualClock();
  const world = { clock, done: [] as string[], isFailing: true };
  const runner: Pick<Scheduler, "cancel" | "forget" | "close"> = {
    cancel: async () => void world.done.push("cancel"),
    forget: async () => void world.done.push("forget"),
    close: async () => void world.done.push("close"),
  };
  const table = {
    ...processTable(),
    livingTags() {
      if (world.isFailing) throw new Error("EMFILE: too many open files, scandir '/proc'");
      return new Set(["x1"]);
    },
  };
  const scheduler = endingLeftovers(runner as Scheduler, {
    ...{ table, cgroups: undefined, clock, logger: recordingLogger() },
  });
  return Object.assign(world, { scheduler });
}

const ID = schedulerJobId("x1@boot");

test("what a command has left is ended at a later look when the processes cannot be listed", async () => {
  const world = setup();
  await world.scheduler.forget(ID);
  await world.clock.advance(1000);
  expect(world.done).toEqual([]);
  world.isFailing = false;
  await world.clock.advance(1000);
  expect(world.done).toEqual(["cancel", "forget"]);
  await world.clock.advance(10_000);
  expect(world.done).toHaveLength(2);
});

test("a performer whose processes cannot be listed is closed, and leaves the records to the next one", async () => {
  const world = setup();
  await world.scheduler.forget(ID);
  await world.scheduler.close();
  expect(world.done).toEqual(["close"]);
  expect(world.clock.pending).toBe(0);
});
