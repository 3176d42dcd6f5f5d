import { announcer } from "./announcer.ts";
import { CREDENTIALS } from "./credential_messages.ts";
import type { Destination } from "./destination.ts";
import { destinationActor } from "./destination_actor.ts";
import { healthActor } from "./health_actor.ts";
import { healthName } from "./health_messages.ts";
import { type JanitorOptions, janitor } from "./janitor.ts";
import { JOBS, type JobDirectory } from "./job_directory.ts";
import type { JobWorld } from "./job_effects.ts";
import {
  actor,
  dynamicSupervisor,
  type GrowingChildren,
  type SupervisorSpec,
  supervisor,
} from "./kernel/child_spec.ts";
import { type Name, nameOf } from "./kernel/registry.ts";
import { destinationName, pollerName, stagerName } from "./messages.ts";
import { stager } from "./stager.ts";
import { statusPoller } from "./status_poller.ts";

export interface TreeOptions {
  readonly world: JobWorld;
  readonly directory: JobDirectory;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Called when all unfinished jobs have their actors again. Undefined: they are left alone. */
  readonly onRecovered: ((jobs: number) => void) | undefined;
  /** Undefined: nobody cleans up. */
  readonly janitor?: JanitorOptions;
}

/** The supervisor of the actors of destinations, which come and go with the configuration. */
export const DESTINATIONS: Name<GrowingChildren> = nameOf("destinations");

/** Room for a message of every job at once: after a restart all of them speak within a moment. */
const DESTINATION_MAILBOX = 1_000_000;

/**
 * The whole supervision tree, in the order of the start. When one part ends for good the parts after it, which rely
 * on it, are started anew as well; when that does not help either, the daemon ends and the service manager restarts it.
 */
export function bartenderTree(options: TreeOptions): SupervisorSpec {
  const { world, directory, random, onRecovered } = options;
  return supervisor({
    id: "bartender",
    strategy: "rest_for_one",
    children: [
      dynamicSupervisor({
        id: "credentials",
        name: CREDENTIALS,
        // Those who follow it start another one.
        onExhausted: () => undefined,
      }),
      supervisor({
        id: "destinations",
        name: DESTINATIONS,
        strategy: "one_for_one",
        children: [...world.destinations.values()].map((destination) => destinationTree(destination, world, random)),
      }),
      dynamicSupervisor({
        id: "jobs",
        name: JOBS,
        onExhausted: (id, lastFault) => directory.giveUp(id, lastFault),
      }),
      ...(onRecovered === undefined ? [] : [actor({ id: "recovery", factory: directory.recovery(onRecovered) })]),
      ...(options.janitor === undefined ? [] : [actor({ id: "janitor", factory: janitor(options.janitor) })]),
    ],
  });
}

/** The actors of one destination. */
export function destinationTree(
  { name, scheduler, fileSystem, credentials, backoff, poll }: Destination,
  { store, files, modes, orders, onHealth }: Pick<JobWorld, "store" | "files" | "modes" | "orders" | "onHealth">,
  random: () => number,
): SupervisorSpec {
  const common = { mailboxSize: DESTINATION_MAILBOX, logFields: { destination: name } };
  return supervisor({
    id: `destination:${name}`,
    strategy: "one_for_all",
    children: [
      actor({
        id: "health",
        name: healthName(name),
        ...common,
        factory: healthActor({ name, backoff, credentials, random, onHealth, onReturn: scheduler.onReturn }),
      }),
      actor({
        id: "slots",
        name: destinationName(name),
        ...common,
        factory: destinationActor(name, scheduler.capacity, store, { modes, orders }),
      }),
      actor({
        id: "poller",
        name: pollerName(name),
        ...common,
        factory: statusPoller(name, scheduler, poll),
      }),
      actor({ id: "stager", name: stagerName(name), ...common, factory: stager(fileSystem, files) }),
      actor({ id: "announcer", logFields: common.logFields, factory: announcer(name, store) }),
    ],
  });
}
