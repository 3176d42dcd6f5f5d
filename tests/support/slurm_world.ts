import { chownSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../adapters/command_runner/local.ts";
import { type SlurmSchedulerOptions, slurmScheduler } from "../../adapters/scheduler/slurm/slurm.ts";
import type { SchedulerJobId } from "../../src/core/ids.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import { freshTag, jobIn, pidsIn, type SchedulerWorld, signal, WAITS_FOR_GO } from "../conformance/scheduler_world.ts";
import { jobDirectories } from "./job_directories.ts";
import { recordingLogger } from "./recording_logger.ts";
import type { SlurmCluster } from "./slurm_cluster.ts";
import { tempDir } from "./temp_dir.ts";

const POLLED = "Slurm cannot push; its jobs are polled";

/** Sentences of the conformance suite that Slurm cannot keep. */
export const SLURM_WAIVERS = {
  "listen() tells once of the start and once of the end, after submit() has answered": POLLED,
  "listen() tells of commands that end at once": POLLED,
  "listen() tells of a cancelled job only when nothing of it runs": POLLED,
  "a listener that has left hears nothing more": POLLED,
  "the next daemon hears the end of a job of the one before": POLLED,
  "cancel() ends children that left the process group": "Slurm's own cgroups see to that; this cluster has none",
  "after forget() the tag of an ended job is not found; on a running job forget() does nothing":
    "Slurm itself remembers an ended job for a while",
} as const;

/** A scheduler on a cluster, its commands run on this machine, and a directory that both see. */
export interface SlurmWorld extends SchedulerWorld {
  readonly options: SlurmSchedulerOptions;
  /** Another scheduler for the same cluster and records, as a second daemon would have it. */
  another(): Scheduler;
}

/** Where the files of a world are, if not in a temporary directory of its own. */
export interface SlurmPlace {
  /** Exists, and stays when the world is closed. */
  readonly directory: string;
  /** The account that runs the commands. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

export function openSlurmWorld(
  cluster: SlurmCluster,
  overrides: Partial<SlurmSchedulerOptions> = {},
  place?: SlurmPlace,
): SlurmWorld {
  const dir = place === undefined ? tempDir() : undefined;
  const root = place?.directory ?? dir?.path ?? "";
  const give = (path: string): void => {
    if (place !== undefined) chownSync(path, place.owner.uid, place.owner.gid);
  };
  const clock = systemClock();
  const logger = recordingLogger();
  const options: SlurmSchedulerOptions = {
    runner: localCommandRunner({ clock, logger }),
    environment: cluster.environment,
    controlDir: join(root, ".bartender", "attempts"),
    partition: "wide",
    time: undefined,
    extraOptions: [],
    isSubmitterAccount: false,
    account: undefined,
    qos: undefined,
    resources: {},
    limits: {},
    maxJobs: 10_000,
    clock,
    logger,
    cancelLookMs: 100,
    ...overrides,
  };
  const opened: Scheduler[] = [];
  const open = (): Scheduler => {
    const made = slurmScheduler(options);
    opened.push(made);
    return made;
  };
  let scheduler = open();
  return {
    options,
    get scheduler() {
      return scheduler;
    },
    another: open,
    async reopen() {
      await scheduler.close();
      scheduler = open();
      return scheduler;
    },
    ...jobDirectories(root, give),
    async [Symbol.asyncDispose]() {
      for (const each of opened) await each.close();
      dir?.[Symbol.dispose]();
    },
  };
}

/** The number of a job, which Slurm's commands take. */
export function numberOf(id: SchedulerJobId): string {
  return id.split("@")[0] ?? "";
}

/** Submits `command` to a fresh directory. */
export async function submit(world: SlurmWorld, command: string) {
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const id = await world.scheduler.submit(jobIn(directory, command), tag, signal);
  return { directory, tag, id, number: numberOf(id) };
}

/** A job that runs until there is a file `go` in its directory. */
export async function submitRunning(world: SlurmWorld) {
  const job = await submit(world, WAITS_FOR_GO);
  await pidsIn(world, job.directory, "pids");
  return job;
}
