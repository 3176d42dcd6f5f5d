import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { jobName } from "../../actors/messages.ts";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import { schedulerJobId } from "../../src/core/ids.ts";
import { type Job, type Phase, schedulerJobIdOf } from "../../src/core/job.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { actorWorld, LOCAL_FILES } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";
import { SUCCEEDED } from "../support/job_builder.ts";

/** The real store, but for saves into `phase`, which fail as often as there are faults. */
function failingSaves(phase: Phase, faults: Error[]) {
  return (store: JobStore): JobStore => ({
    ...bindAll(store),
    async save(job: Job, nowMs: number) {
      const fault = job.progress.phase === phase ? faults.shift() : undefined;
      if (fault !== undefined) throw fault;
      return await store.save(job, nowMs);
    },
  });
}

function bindAll(store: JobStore): JobStore {
  return {
    instanceId: store.instanceId,
    insert: (...args) => store.insert(...args),
    insertOnce: (...args) => store.insertOnce(...args),
    keyed: (...args) => store.keyed(...args),
    hasAtLeast: (...args) => store.hasAtLeast(...args),
    get: (...args) => store.get(...args),
    list: (...args) => store.list(...args),
    unfinished: (...args) => store.unfinished(...args),
    finishedBefore: (...args) => store.finishedBefore(...args),
    finishedApplications: () => store.finishedApplications(),
    ids: (...args) => store.ids(...args),
    save: (...args) => store.save(...args),
    rename: (...args) => store.rename(...args),
    remove: (...args) => store.remove(...args),
    history: (...args) => store.history(...args),
    ping: () => store.ping(),
    close: () => store.close(),
  };
}

const PHASES: readonly Phase[] = ["waiting", "submitting", "running", "finished"];

describe("a planted fault in a job's actor", () => {
  for (const phase of PHASES) {
    test(`before it saves ${phase} restarts it, and the job still ends well, run once`, async () => {
      const scheduler = controlledScheduler();
      const wrapStore = failingSaves(phase, [new Error("planted fault")]);
      await using world = await actorWorld({ destinations: { here: { scheduler } }, wrapStore });
      const job = await world.submit();
      let steps = 0;
      const ended = await world.pass(job.id, "finished", () => {
        const [submitted] = scheduler.submitted;
        if (submitted === undefined) return;
        const id = schedulerJobId(`s-${submitted.tag}`);
        if (steps === 0) scheduler.start(id);
        if (steps === 200) scheduler.end(id, SUCCEEDED);
        steps += 1;
      });
      expect(ended.progress).toMatchObject({ outcome: SUCCEEDED });
      expect(scheduler.submitted.length).toBe(1);
      expect(ended.attempt).toBe(1);
      const crashes = world.events.filter((event) => event.type === "crashed");
      expect(crashes).toEqual([{ type: "crashed", path: "bartender/jobs/job:1", error: new Error("planted fault") }]);
    });
  }

  test("that comes back for ever ends this job as error with the reason, and no other", async () => {
    const scheduler = controlledScheduler({ capacity: 1 });
    const faults = Array.from({ length: 100 }, () => new Error("planted fault"));
    const wrapStore = (store: JobStore): JobStore => {
      const failing = failingSaves("queued", faults)(store);
      return { ...failing, save: (job, nowMs) => (job.id === 1 ? failing : store).save(job, nowMs) };
    };
    await using world = await actorWorld({ destinations: { here: { scheduler } }, wrapStore });
    const poisoned = await world.submit();
    // Otherwise the other job may be the first to reach the one slot, and nothing ends it.
    await world.until(poisoned.id, "submitting");
    const healthy = await world.submit();
    expect((await world.pass(poisoned.id, "finished")).progress).toMatchObject({
      outcome: { isOk: false, reason: "Bartender gave the job up after repeated faults: planted fault" },
    });
    const id = schedulerJobIdOf((await world.pass(healthy.id, "queued")).progress);
    scheduler.end(id ?? schedulerJobId("none"), SUCCEEDED);
    await world.until(healthy.id, "finished");
    expect(readFileSync(join(world.jobRootDir, "1", "stderr.txt"), "utf8")).toContain("planted fault");
  });
});

describe("a job that is given up", () => {
  test("while its submission was never saved has its command ended first, by its tag", async () => {
    const scheduler = controlledScheduler();
    const faults = Array.from({ length: 100 }, () => new Error("planted fault"));
    await using world = await actorWorld({
      destinations: { here: { scheduler } },
      wrapStore: failingSaves("queued", faults),
    });
    const job = await world.submit();
    await world.pass(job.id, "finished");
    const [submitted] = scheduler.submitted;
    expect(scheduler.submitted.length).toBe(1);
    expect(scheduler.status(schedulerJobId(`s-${submitted?.tag}`))?.type).toBe("ended");
  });
});

describe("a store that is away", () => {
  test("delays a job's step and loses nothing", async () => {
    const scheduler = controlledScheduler();
    const faults = Array.from({ length: 4 }, () => new StoreUnavailableError("the disk is full"));
    const wrapStore = failingSaves("submitting", faults);
    await using world = await actorWorld({ destinations: { here: { scheduler } }, wrapStore });
    const job = await world.submit();
    await world.eventually(() => faults.length === 3);
    await world.until(job.id, "waiting");
    expect(scheduler.submitted.length).toBe(0);
    await world.pass(job.id, "queued");
    expect(faults).toEqual([]);
    expect(world.events.filter(({ type }) => type !== "dead_letter" && JSON.stringify(type).includes("crash"))).toEqual(
      [],
    );
  });

  test("in the middle of a removal is asked again, but the destination is not: the row may be gone for good", async () => {
    let removals = 0;
    const fileSystem: FileSystem = {
      ...LOCAL_FILES,
      isStaged: true,
      async remove() {
        removals += 1;
      },
    };
    let isLost = false;
    const wrapStore = (store: JobStore): JobStore => ({
      ...bindAll(store),
      async remove(id) {
        await store.remove(id);
        if (isLost) return;
        isLost = true;
        throw new StoreUnavailableError("the answer was lost");
      },
    });
    const scheduler = controlledScheduler();
    await using world = await actorWorld({ destinations: { there: { scheduler, fileSystem } }, wrapStore });
    const job = await world.submit();
    const queued = await world.pass(job.id, "queued");
    scheduler.end(schedulerJobIdOf(queued.progress) ?? schedulerJobId("none"), SUCCEEDED);
    await world.pass(job.id, "finished");
    removals = 0;
    const deleted = world.service.remove(job.id, "alice");
    await world.eventually(() => isLost);
    await world.eventually(async () => {
      await world.clock.advance(100);
      return world.system.find(jobName(job.id)) === undefined;
    });
    expect(await deleted).toBe("deleted");
    expect(removals).toBe(1);
  });
});
