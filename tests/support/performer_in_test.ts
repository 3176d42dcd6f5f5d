import { ActorSystem } from "../../actors/kernel/actor_system.ts";
import { performerName } from "../../actors/performer/performer_messages.ts";
import { performersTree } from "../../actors/performer/performer_tree.ts";
import type { PerformerWorld } from "../../actors/performer/performer_world.ts";
import { inPlaceWorkplace } from "../../adapters/workplace/in_place.ts";
import { type AttemptTag, schedulerJobId } from "../../src/core/ids.ts";
import type { OwnAttempt, ResumedAttempt } from "../../src/ports/attempt_queue.ts";
import { controlledQueue } from "./controlled_queue.ts";
import { controlledScheduler } from "./controlled_scheduler.ts";
import { ManualClock, settle } from "./manual_clock.ts";
import { recordingLogger } from "./recording_logger.ts";

export const LEASE_MS = 30_000;
const ENDING_MS = 8_000;
/** When commands are ended that nobody renews. */
export const FENCE_MS = LEASE_MS - ENDING_MS;
export const GOOD = { isOk: true, returnCode: 0, reason: null };

export const attempt = (number: number): OwnAttempt => ({
  tag: `bartender-i-${number}-1` as AttemptTag,
  job: { directory: `/jobs/${number}`, command: "true", application: "a", submitter: "s", resources: {} },
});
export const idOf = ({ tag }: OwnAttempt) => schedulerJobId(`s-${tag}`);

/** A performer of one destination with everything around it in the hands of the test. */
export async function performerInTest(
  given: {
    readonly left?: readonly (OwnAttempt & Partial<ResumedAttempt>)[];
    readonly changes?: Partial<PerformerWorld>;
  } = {},
) {
  const clock = new ManualClock();
  const queue = controlledQueue(LEASE_MS);
  queue.left.push(...(given.left ?? []).map((own) => ({ isCertain: true, ...own })));
  const runner = controlledScheduler();
  const lives: number[] = [];
  const logger = recordingLogger();
  const world: PerformerWorld = {
    ...{ name: "far", queue, runner, workplace: inPlaceWorkplace(), capacity: 1, endingMs: ENDING_MS },
    hasRoom: () => true,
    records: async () => [],
    mayLiveFor: (ms) => void lives.push(ms),
    mayStart: () => true,
    startIsOver: () => undefined,
    noteEnding: () => undefined,
    wasEndedForUs: () => false,
    ...given.changes,
  };
  const system = new ActorSystem({ root: performersTree([world]), clock, logger });
  await system.start();
  await settle();
  /** Brings an attempt and lets its command start. */
  const begin = async (own: OwnAttempt): Promise<void> => {
    queue.waiting.push(own);
    await clock.advance(LEASE_MS / 6);
    runner.start(idOf(own));
    await settle();
  };
  const tell = (message: Parameters<NonNullable<ReturnType<typeof performer>>["send"]>[0]) =>
    performer()?.send(message);
  const performer = () => system.find(performerName("far"));
  return { clock, queue, runner, lives, logger, begin, tell, [Symbol.asyncDispose]: () => system.stop() };
}
