import { type HealthDescription, type HealthMessage, healthName } from "../actors/health_messages.ts";
import type { ActorRef } from "../actors/kernel/actor.ts";
import type { ActorSystem } from "../actors/kernel/actor_system.ts";
import { ask } from "../actors/kernel/ask.ts";
import type { KernelEvent } from "../actors/kernel/events.ts";
import type { TreeNode } from "../actors/kernel/tree_node.ts";
import { type DestinationDescription, type DestinationMessage, destinationName } from "../actors/messages.ts";
import type { BartenderMetrics } from "../adapters/metrics/bartender_metrics.ts";
import { DESTINATION_PARTS } from "./core/destination_health.ts";
import type { Clock } from "./ports/clock.ts";

/** How long an actor may take to tell about itself; without its answer its numbers stay out. */
const PATIENCE_MS = 1_000;

/** What counts of an event of the actor kernel. */
export function countKernelEvent(metrics: BartenderMetrics, event: KernelEvent): void {
  if (event.type === "restart_planned") metrics.actorRestarts.inc({ actor: kindOf(event.path) });
  if (event.type === "crashed") metrics.actorCrashes.inc({ actor: kindOf(event.path) });
  if (event.type === "dead_letter") metrics.deadLetters.inc({ reason: event.letter.reason });
}

/** Asks the actors how they are before each scrape. */
export function observeActors(
  metrics: BartenderMetrics,
  options: {
    readonly system: ActorSystem;
    /** By name; may change. */
    readonly destinations: ReadonlyMap<string, unknown>;
    /** How many jobs wait for another try. */
    readonly retrying: () => number;
    readonly clock: Clock;
  },
): void {
  const { system, destinations, retrying, clock } = options;
  metrics.beforeScrape(async () => {
    metrics.jobsRetrying.set(retrying());
    countActors(metrics, system.inspect());
    await Promise.all([...destinations.keys()].map((name) => describeDestination(metrics, system, name, clock)));
  });
}

/** Kind of an actor from its path: its id without what tells it from others of its kind. */
function kindOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/:.*$/, "");
}

function countActors(metrics: BartenderMetrics, root: TreeNode): void {
  const kinds = new Map<string, { count: number; depth: number }>();
  const visit = (node: TreeNode): void => {
    if (node.kind === "actor") {
      const kind = kindOf(node.path);
      const sum = kinds.get(kind) ?? { count: 0, depth: 0 };
      kinds.set(kind, { count: sum.count + 1, depth: Math.max(sum.depth, node.mailboxDepth) });
    }
    for (const child of node.children) visit(child);
  };
  visit(root);
  metrics.actors.reset();
  metrics.mailboxDepth.reset();
  for (const [actor, { count, depth }] of kinds) {
    metrics.actors.set({ actor }, count);
    metrics.mailboxDepth.set({ actor }, depth);
  }
}

async function describeDestination(
  metrics: BartenderMetrics,
  system: ActorSystem,
  destination: string,
  clock: Clock,
): Promise<void> {
  const [health, slots] = await Promise.all([
    answerOf<HealthMessage, HealthDescription>(
      system.find(healthName(destination)),
      (reply) => ({ type: "describe", reply }),
      clock,
    ),
    answerOf<DestinationMessage, DestinationDescription>(
      system.find(destinationName(destination)),
      (reply) => ({ type: "describe", reply }),
      clock,
    ),
  ]);
  for (const part of DESTINATION_PARTS) {
    const description = health?.[part];
    const labels = { destination, part };
    if (description === undefined) metrics.destinationUp.remove(labels);
    else metrics.destinationUp.set(labels, description.state === "healthy" ? 1 : 0);
    metrics.destinationTriesWaiting.set(labels, description?.state === "degraded" ? description.waiting : 0);
  }
  const credential = { destination, part: "credential" };
  if (health?.credential === undefined) metrics.destinationUp.remove(credential);
  else metrics.destinationUp.set(credential, health.credential.state === "lost" ? 0 : 1);
  if (slots === undefined) return metrics.destinationSlotsUsed.remove({ destination });
  // Those of a scheduler that takes everything have no number.
  if (Number.isFinite(slots.capacity)) metrics.destinationSlots.set({ destination }, slots.capacity);
  metrics.destinationSlotsUsed.set({ destination }, slots.held);
}

async function answerOf<M, R>(
  ref: ActorRef<M> | undefined,
  question: (reply: (answer: R) => void) => M,
  clock: Clock,
): Promise<R | undefined> {
  if (ref === undefined) return undefined;
  return await ask<M, R>(ref, question, { clock, timeoutMs: PATIENCE_MS }).catch(() => undefined);
}
