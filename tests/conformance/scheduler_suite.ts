import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { answersStatuses, submitsOnce, tellsListeners } from "./scheduler_answers.ts";
import { cancels, closesAndForgets } from "./scheduler_endings.ts";
import { runsCommands } from "./scheduler_running.ts";
import type { Says, SchedulerTraits, SchedulerWorld } from "./scheduler_world.ts";

/** Every promise of the port {@link Scheduler}, to be kept against the real system. */
export function schedulerSuite(name: string, open: () => Promise<SchedulerWorld>, traits: SchedulerTraits): void {
  describe(`scheduler ${name}`, () => {
    setDefaultTimeout(traits.startsWithinMs * 3 + 30_000);
    const told = new Set<string>();
    const says: Says = (sentence, keep) => {
      told.add(sentence);
      const reason = traits.waivers[sentence];
      const run = async (): Promise<void> => {
        await using world = await open();
        await keep(world);
      };
      reason === undefined ? test(sentence, run) : test.skip(`${sentence} [waived: ${reason}]`, run);
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
