import type { JobStore } from "../src/ports/job_store.ts";
import { announcer } from "./announcer.ts";
import type { Destination } from "./destination.ts";
import { destinationActor } from "./destination_actor.ts";
import { JOBS, type JobDirectory } from "./job_directory.ts";
import type { JobWorld } from "./job_effects.ts";
import { actor, dynamicSupervisor, type SupervisorSpec, supervisor } from "./kernel/child_spec.ts";
import { destinationName, pollerName, stagerName } from "./messages.ts";
import { stager } from "./stager.ts";
import { type PollIntervals, statusPoller } from "./status_poller.ts";

export interface TreeOptions {
  readonly world: JobWorld;
  readonly directory: JobDirectory;
  readonly pollIntervals: PollIntervals;
  /** Called when all unfinished jobs have their actors again. */
  readonly onRecovered: (jobs: number) => void;
}

/** Room for a message of every job at once: after a restart all of them speak within a moment. */
const DESTINATION_MAILBOX = 1_000_000;

/**
 * The whole supervision tree, in the order of the start. When one part ends for good the parts after it, which rely
 * on it, are started anew as well; when that does not help either, the daemon ends and the service manager restarts it.
 */
export function bartenderTree({ world, directory, pollIntervals, onRecovered }: TreeOptions): SupervisorSpec {
  return supervisor({
    id: "bartender",
    strategy: "rest_for_one",
    children: [
      supervisor({
        id: "destinations",
        strategy: "one_for_one",
        children: [...world.destinations.values()].map((destination) =>
          destinationTree(destination, world, pollIntervals),
        ),
      }),
      dynamicSupervisor({
        id: "jobs",
        name: JOBS,
        onExhausted: (id, lastFault) => directory.giveUp(id, lastFault),
      }),
      actor({ id: "recovery", factory: directory.recovery(onRecovered) }),
    ],
  });
}

function destinationTree(
  { name, scheduler, fileSystem }: Destination,
  { store, files }: { readonly store: JobStore; readonly files: JobWorld["files"] },
  pollIntervals: PollIntervals,
): SupervisorSpec {
  const mailboxSize = DESTINATION_MAILBOX;
  return supervisor({
    id: `destination:${name}`,
    strategy: "one_for_all",
    children: [
      actor({
        id: "slots",
        name: destinationName(name),
        mailboxSize,
        factory: destinationActor(name, scheduler.capacity, store),
      }),
      actor({ id: "poller", name: pollerName(name), mailboxSize, factory: statusPoller(scheduler, pollIntervals) }),
      actor({ id: "stager", name: stagerName(name), mailboxSize, factory: stager(fileSystem, files) }),
      actor({ id: "announcer", factory: announcer(name, store) }),
    ],
  });
}
