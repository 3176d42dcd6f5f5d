import type { ActorFactory, ActorRef } from "../../../actors/kernel/actor.ts";
import { ActorSystem } from "../../../actors/kernel/actor_system.ts";
import {
  type ActorSpec,
  actor,
  type ChildSpec,
  type DynamicChildren,
  dynamicSupervisor,
  type SupervisorSpec,
  supervisor,
} from "../../../actors/kernel/child_spec.ts";
import type { KernelEvent } from "../../../actors/kernel/events.ts";
import { nameOf } from "../../../actors/kernel/registry.ts";
import type { RestartBudget } from "../../../actors/kernel/restart_budget.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { type RecordingLogger, recordingLogger } from "../../support/recording_logger.ts";

/** Restarts at once, and often enough for any test that is not about the budget. */
export const GENEROUS: RestartBudget = {
  maxRestarts: 100,
  withinMs: 1_000,
  backOff: { initialMs: 0, factor: 1, maxMs: 0 },
};

/** A started system with what tests need to drive and watch it. */
export interface World {
  readonly system: ActorSystem;
  readonly clock: ManualClock;
  readonly logger: RecordingLogger;
  readonly events: readonly KernelEvent[];
  /** The actor with this name. */
  ref<M>(name: string): ActorRef<M>;
  /** The dynamic supervisor that {@link setup} adds. */
  readonly children: DynamicChildren;
}

/** A system that is not started yet. */
export function worldOf(root: SupervisorSpec): Omit<World, "children"> {
  const clock = new ManualClock();
  const logger = recordingLogger();
  const events: KernelEvent[] = [];
  const system = new ActorSystem({ root, clock, logger, onEvent: (event) => events.push(event) });
  const ref = <M>(name: string) => {
    const found = system.find(nameOf<ActorRef<M>>(name));
    if (found === undefined) throw new Error(`No actor has the name ${name}`);
    return found;
  };
  return { system, clock, logger, events, ref };
}

/** A running system with `children` and, after them, a dynamic supervisor, all restarted one for one. */
export async function setup(...children: readonly ChildSpec[]): Promise<World> {
  const name = nameOf<DynamicChildren>("dynamic");
  const dynamic = dynamicSupervisor({ id: "dynamic", name, budget: GENEROUS, onExhausted: () => {} });
  const world = worldOf(
    supervisor({ id: "root", strategy: "one_for_one", budget: GENEROUS, children: [...children, dynamic] }),
  );
  await world.system.start();
  const handle = world.system.find(name);
  if (handle === undefined) throw new Error("The dynamic supervisor has no name");
  return { ...world, children: handle };
}

/** An actor whose id is its name, so that {@link World.ref} finds it. */
export function named<M>(
  id: string,
  factory: ActorFactory<M>,
  options: Partial<Omit<ActorSpec<M>, "factory">> = {},
): ActorSpec<M> {
  return actor({ id, name: nameOf<ActorRef<M>>(id), factory, ...options });
}
