import type { DestinationMode } from "../src/core/destination_mode.ts";
import type { JobId } from "../src/core/ids.ts";
import {
  holdsRunSlot,
  isBeingDeleted,
  type Job,
  knownOutcome,
  placementOf,
  publicState,
  schedulerJobIdOf,
} from "../src/core/job.ts";
import { explain, type Outage } from "../src/core/job_explanation.ts";
import type { AdminJob, AdminJobQuery, AdminService, ReloadReport, TreeView } from "../src/ports/admin_service.ts";
import type { AdminStore, JobOrder } from "../src/ports/admin_store.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { JobInputs } from "../src/ports/job_files.ts";
import type { JobService, JobView } from "../src/ports/job_service.ts";
import type { LogLevelControl } from "../src/ports/logger.ts";
import { actOnJobs } from "./admin_actions.ts";
import { selectJobs } from "./admin_search.ts";
import { daemonStatus, destinationStatus, type Process } from "./admin_status.ts";
import { type EventFeed, noteAction } from "./event_feed.ts";
import type { Find, JobDirectory } from "./job_directory.ts";
import { type JobWorld, tagOf } from "./job_effects.ts";
import type { TreeNode } from "./kernel/tree_node.ts";
import { destinationName, jobName } from "./messages.ts";
import { allPerformers, holderOf, presentPerformers } from "./present_performers.ts";

export interface AdminServiceOptions {
  readonly world: JobWorld;
  /** The very map of `world`, which is changed here and nowhere else. */
  readonly orders: Map<JobId, JobOrder>;
  readonly admin: AdminStore;
  readonly directory: JobDirectory;
  readonly jobs: JobService;
  readonly inputs: JobInputs;
  readonly find: Find;
  readonly clock: Clock;
  readonly process: Process;
  readonly feed: EventFeed;
  inspect(): TreeNode;
  /** Undefined: the log cannot be changed. */
  readonly logLevel: LogLevelControl | undefined;
  /** Reads the configuration again; undefined: that cannot be done. */
  readonly reload?: (() => Promise<ReloadReport>) | undefined;
}

const USUAL: JobOrder = { isHeld: false, priority: 0 };

/** What administrators may ask, answered from the store and by the actors, which never get long to answer. */
export function createAdminService(options: AdminServiceOptions): AdminService {
  const { world, orders, admin, directory, jobs, inputs, find, clock, feed, logLevel, reload } = options;

  const record = async (by: string, action: string, target: string, outcome: string): Promise<void> => {
    const entry = { onMs: clock.nowMs(), by, action, target, outcome };
    await admin.record(entry);
    noteAction(feed, entry);
  };

  const saveOrder = async (id: JobId, order: JobOrder): Promise<boolean> => {
    if (!(await admin.saveOrder(id, order))) return false;
    orders.set(id, order);
    const job = await world.store.get(id);
    const placement = job === undefined ? null : placementOf(job.progress);
    if (placement !== null) find(destinationName(placement.destination))?.send({ type: "order_changed", id });
    return true;
  };

  const changeOrder = async (id: JobId, change: Partial<JobOrder>, by: string, action: string, outcome: string) => {
    const job = await world.store.get(id);
    if (job === undefined || isBeingDeleted(job.progress)) {
      return { id, result: "not_found" as const, outcome: "There is no such job" };
    }
    if (!["accepted", "staging_in", "waiting"].includes(job.progress.phase)) {
      await record(by, action, `job ${id}`, "refused: it does not wait for a run slot any more");
      return { id, result: "refused" as const, outcome: "It does not wait for a run slot any more" };
    }
    await saveOrder(id, { ...(orders.get(id) ?? USUAL), ...change });
    await record(by, action, `job ${id}`, outcome);
    return { id, result: "done" as const, outcome };
  };

  /** The performers that may have a job, and the one that has it. */
  const performersOf = async (job: Job) => {
    const name = holdsRunSlot(job.progress) ? placementOf(job.progress)?.destination : undefined;
    const destination = name === undefined ? undefined : world.destinations.get(name);
    const performers = destination === undefined ? null : await presentPerformers(destination, clock);
    return { performers, performer: holderOf(performers, tagOf(world, job, job.attempt)) };
  };

  const show = (view: JobView): AdminJob => toAdminJob(view, orders.get(view.job.id) ?? USUAL);

  return {
    status: () => daemonStatus(options),
    async jobs(query: AdminJobQuery) {
      return (await selectJobs({ admin, jobs, clock }, query)).map(show);
    },
    find: (id) => world.store.get(id),
    async job(id) {
      const job = await world.store.get(id);
      const [view] = job === undefined ? [] : await jobs.describe([job]);
      if (job === undefined || view === undefined) return undefined;
      const placement = placementOf(job.progress);
      const fileSystem = placement === null ? undefined : world.destinations.get(placement.destination)?.fileSystem;
      const local = world.files.directory(id);
      const node = job === undefined ? undefined : nodeOf(options.inspect(), jobName(id));
      return {
        ...show(view),
        retryOf: job.origin.retryOf,
        history: await world.store.history(id),
        tag: job.attempt === 0 ? null : tagOf(world, job, job.attempt),
        directory: local,
        remoteDirectory: fileSystem?.isStaged === true ? fileSystem.locate(id, local) : null,
        performer: (await performersOf(job)).performer,
        actor: node === undefined ? null : toTreeView(node),
      };
    },
    async why(id) {
      const job = await world.store.get(id);
      const [view] = job === undefined ? [] : await jobs.describe([job]);
      if (job === undefined || view === undefined) return undefined;
      const name = placementOf(job.progress)?.destination;
      const isDestinationMissing = name !== undefined && !world.destinations.has(name);
      const status = name === undefined || isDestinationMissing ? null : await destinationStatus(options, { name }, []);
      const { performers, performer } = await performersOf(job);
      const text = explain(job, {
        nowMs: clock.nowMs(),
        reason: view.reason,
        mode: name === undefined ? "open" : world.modes.of(name),
        isDestinationMissing,
        isHeld: orders.get(id)?.isHeld ?? false,
        queuePosition: view.queuePosition,
        slots: status?.slots ?? null,
        outages: outagesOf(status),
        performers: job.progress.phase === "queued" ? performers : null,
        performer,
        pollInMs: status?.poll == null ? null : Math.max(0, status.poll.nextOnMs - clock.nowMs()),
      });
      return { id, text };
    },
    tree: () => toTreeView(options.inspect()),
    performers: () => allPerformers(world, clock),
    audit: (limit) => admin.audit(limit),
    recentEvents: () => feed.recent(),
    onEvent: (listener) => feed.listen(listener),
    act: (action, by) =>
      actOnJobs({ admin, jobs, inputs, world, directory, find, clock, store: world.store, record }, action, by),
    hold: (id, isHeld, by) =>
      changeOrder(id, { isHeld }, by, isHeld ? "hold" : "release", isHeld ? "held back" : "let go"),
    prioritise: (id, priority, by) => changeOrder(id, { priority }, by, "priority", `priority ${priority}`),
    async setMode(destination: string, mode: DestinationMode, by) {
      if (!world.destinations.has(destination)) return false;
      const saved = { destination, mode, by, onMs: clock.nowMs() };
      await admin.saveMode(saved);
      world.modes.note(saved);
      find(destinationName(destination))?.send({ type: "mode_changed" });
      if (mode !== "draining") retryAll(directory, find);
      await record(by, ACTION_OF[mode], `destination ${destination}`, mode);
      return true;
    },
    ...(logLevel === undefined
      ? {}
      : {
          logLevel: {
            get: () => logLevel.get(),
            levels: logLevel.levels,
            async set(level, by) {
              logLevel.set(level);
              await record(by, "loglevel", "daemon", level);
            },
          },
        }),
    ...(reload === undefined
      ? {}
      : {
          async reload(by) {
            const report = await reload();
            await record(by, "reload", "configuration", report.isDone ? "taken over" : "refused");
            return report;
          },
        }),
  };
}

const ACTION_OF: Readonly<Record<DestinationMode, string>> = { open: "resume", paused: "pause", draining: "drain" };

/** Jobs that wait for the destination to take jobs again find out at once. */
function retryAll(directory: JobDirectory, find: Find): void {
  for (const id of directory.retries.keys()) find(jobName(id))?.send({ type: "retry_now", reply: () => undefined });
}

function toAdminJob({ job, reason, queuePosition }: JobView, { isHeld, priority }: JobOrder): AdminJob {
  const { id, name, application, submitter, attempt, createdOnMs, updatedOnMs, submittedOnMs, progress } = job;
  return {
    ...{ id, name, application, submitter, attempt, createdOnMs, updatedOnMs, submittedOnMs, reason, queuePosition },
    ...{ isHeld, priority, startedOnMs: job.startedOnMs, finishedOnMs: job.finishedOnMs },
    destination: placementOf(progress)?.destination ?? null,
    state: publicState(progress),
    phase: progress.phase,
    schedulerJobId: schedulerJobIdOf(progress),
    returnCode: knownOutcome(progress)?.returnCode ?? null,
    host: knownOutcome(progress)?.host ?? null,
  };
}

function outagesOf(status: Awaited<ReturnType<typeof destinationStatus>> | null): readonly Outage[] {
  if (status === null) return [];
  const parts = [
    ["scheduler", status.scheduler],
    ["file_system", status.fileSystem],
    ["credential", status.credential],
  ] as const;
  return parts.flatMap(([part, health]) =>
    health === null || health.sinceOnMs === null
      ? []
      : {
          part,
          reason: health.lastFault?.message ?? "no reason is known",
          sinceMs: health.sinceOnMs,
          nextTryMs: health.nextTryOnMs ?? health.sinceOnMs,
        },
  );
}

function nodeOf(node: TreeNode, id: string): TreeNode | undefined {
  if (node.id === id) return node;
  for (const child of node.children) {
    const found = nodeOf(child, id);
    if (found !== undefined) return found;
  }
  return undefined;
}

function toTreeView(node: TreeNode): TreeView {
  const { id, path, state, restarts, lastFault } = node;
  return {
    ...{ id, path, state, restarts, kind: node.kind === "actor" ? "actor" : "supervisor" },
    mailboxDepth: node.kind === "actor" ? node.mailboxDepth : 0,
    lastFault: lastFault === null ? null : { message: lastFault.message, onMs: lastFault.atMs },
    children: node.children.map(toTreeView),
  };
}
