import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { turnTaking } from "../../adapters/scheduler/turn_taking.ts";
import { answersStatuses, submitsOnce, tellsListeners } from "./scheduler_answers.ts";
import { cancels, closesAndForgets } from "./scheduler_endings.ts";
import { runsCommands } from "./scheduler_running.ts";
import type { Says, SchedulerTraits, SchedulerWorld } from "./scheduler_world.ts";

/** More would only make each other wait. */
const SIDE_BY_SIDE = 4;

/** Every promise of the port {@link Scheduler}, to be kept against the real system. */
export function schedulerSuite(name: string, open: () => Promise<SchedulerWorld>, traits: SchedulerTraits): void {
  const isConcurrent = traits.isConcurrent === true;
  describe(`scheduler ${name}`, () => {
    // Who runs side by side also waits for the others.
    setDefaultTimeout((traits.startsWithinMs * 3 + 30_000) * (isConcurrent ? 2 : 1));
    const told = new Set<string>();
    const inTurn = turnTaking(SIDE_BY_SIDE);
    const says: Says = (sentence, keep) => {
      told.add(sentence);
      // Not registered at all: a test that counts as skipped is one that should have run.
      if (sentence in traits.waivers) return;
      const register = isConcurrent ? test.concurrent : test;
      register(sentence, () =>
        inTurn(async () => {
          await using world = await open();
          await keep(world);
        }),
      );
    };
    runsCommands(says, traits);
    submitsOnce(says);
    answersStatuses(says);
    cancels(says);
    tellsListeners(says);
    closesAndForgets(says);
    afterAll(() => {
      expect(Object.keys(traits.waivers).filter((sentence) => !told.has(sentence))).toEqual([]);
    });
  });
}
