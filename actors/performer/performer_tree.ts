import { messageOf } from "../../src/core/errors.ts";
import type { AttemptTag } from "../../src/core/ids.ts";
import { actor, dynamicSupervisor, type SupervisorSpec, supervisor } from "../kernel/child_spec.ts";
import { performerActor } from "./performer_actor.ts";
import { attemptsName, performerName } from "./performer_messages.ts";
import type { PerformerWorld } from "./performer_world.ts";

/** Room for news about all attempts, also after a pause. */
const PERFORMER_MAILBOX = 100_000;

/**
 * The supervision tree of a process that performs for some destinations. They know nothing of each other; when one ends
 * for good the process does, and what it has left is taken over by the next.
 */
export function performersTree(worlds: readonly PerformerWorld[]): SupervisorSpec {
  return supervisor({ id: "performers", strategy: "one_for_one", children: worlds.map(performerTree) });
}

function performerTree(world: PerformerWorld): SupervisorSpec {
  return supervisor({
    id: `performer:${world.name}`,
    strategy: "one_for_all",
    children: [
      dynamicSupervisor({
        id: "attempts",
        name: attemptsName(world.name),
        onExhausted: (tag, fault) => giveUp(world, tag as AttemptTag, fault),
      }),
      actor({
        id: "performer",
        name: performerName(world.name),
        mailboxSize: PERFORMER_MAILBOX,
        factory: performerActor(world),
        logFields: { destination: world.name },
      }),
    ],
  });
}

/** An attempt whose actor crashes again and again: nothing of it may go on unseen. */
async function giveUp({ runner, queue, workplace }: PerformerWorld, tag: AttemptTag, fault: unknown): Promise<void> {
  const { signal } = new AbortController();
  const id = await runner.find(tag, signal);
  if (id !== undefined) await runner.cancel(id, signal);
  const reason = `The performer gave the job up after repeated faults: ${messageOf(fault)}`;
  await queue.ended(tag, { type: "ended", outcome: { isOk: false, returnCode: null, reason } }, signal);
  if (id !== undefined) await runner.forget?.(id);
  await workplace.discard(tag);
}
