import { describe, expect, test } from "bun:test";
import { JobWatchers } from "../../actors/job_watchers.ts";
import { jobId, schedulerJobId } from "../../src/core/ids.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { type ActorWorld, actorWorld } from "../support/actor_world.ts";
import { type ControlledScheduler, controlledScheduler } from "../support/controlled_scheduler.ts";
import { SUCCEEDED } from "../support/job_builder.ts";

const JOB = jobId(1);

async function setup(wrapStore: (store: JobStore) => JobStore = (store) => store) {
  const scheduler = controlledScheduler();
  const world = await actorWorld({ destinations: { here: { scheduler } }, wrapStore });
  return { world, scheduler, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** The store, but for its saves. */
function savingBy(store: JobStore, save: JobStore["save"]): JobStore {
  return new Proxy(store, {
    get(target, key) {
      if (key === "save") return save;
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Reads the history at every wake-up, as edges do. */
function watch({ service }: ActorWorld) {
  const read: (readonly string[] | undefined)[] = [];
  let wakes = 0;
  const stop = service.watch(JOB, async () => {
    wakes += 1;
    read.push((await service.history(JOB, "alice"))?.map(({ phase }) => phase));
  });
  return {
    stop,
    read,
    get wakes() {
      return wakes;
    },
  };
}

async function finish(world: ActorWorld, scheduler: ControlledScheduler): Promise<void> {
  await world.until(JOB, "queued");
  for (const { tag } of scheduler.submitted) scheduler.end(schedulerJobId(`s-${tag}`), SUCCEEDED);
}

describe("watching a job", () => {
  test("wakes after each saved step, when the store has it already", async () => {
    await using t = await setup();
    const seen = watch(t.world);
    await t.world.submit();
    await finish(t.world, t.scheduler);
    const all = ["accepted", "waiting", "submitting", "queued", "finished"];
    await t.world.eventually(() => seen.read.at(-1)?.at(-1) === "finished");
    expect(seen.read.at(-1)).toEqual(all);
    expect(seen.wakes).toBe(all.length - 1);
  });

  test("wakes when the job is being removed and when it is gone", async () => {
    await using t = await setup();
    await t.world.submit();
    await t.world.until(JOB, "queued");
    const seen = watch(t.world);
    expect(await t.world.service.remove(JOB, "alice")).toBe("deleted");
    await t.world.eventually(() => seen.read.length === seen.wakes);
    expect(seen.read).toEqual([undefined, undefined, undefined]);
  });

  test("wakes for a step whose saving was never answered", async () => {
    let hasFailed = false;
    await using t = await setup((store) => {
      const save: JobStore["save"] = async (job, nowMs) => {
        const saved = await store.save(job, nowMs);
        if (job.progress.phase !== "finished" || hasFailed) return saved;
        hasFailed = true;
        throw new Error("The answer got lost");
      };
      return savingBy(store, save);
    });
    const seen = watch(t.world);
    await t.world.submit();
    await finish(t.world, t.scheduler);
    await t.world.eventually(async () => {
      await t.world.clock.advance(10);
      return seen.read.at(-1)?.at(-1) === "finished";
    });
    expect(hasFailed).toBe(true);
  });

  test("wakes when the job is given up", async () => {
    await using t = await setup((store) => {
      const save: JobStore["save"] = async (job, nowMs) => {
        if (job.progress.phase === "queued") throw new Error("planted fault");
        return await store.save(job, nowMs);
      };
      return savingBy(store, save);
    });
    const seen = watch(t.world);
    await t.world.submit();
    await t.world.pass(JOB, "finished");
    await t.world.eventually(() => seen.read.at(-1)?.at(-1) === "finished");
  });

  test("wakes nobody after its end, and not for other jobs", async () => {
    await using t = await setup();
    const [ended, other] = [watch(t.world), watch(t.world)];
    ended.stop();
    ended.stop();
    await t.world.submit();
    await t.world.submit();
    await t.world.until(jobId(2), "queued");
    await finish(t.world, t.scheduler);
    await t.world.until(jobId(2), "finished");
    await t.world.eventually(() => other.wakes === 4);
    expect(ended.wakes).toBe(0);
  });
});

describe("the history", () => {
  test("is shown to the submitter alone, and not of a job that is being removed", async () => {
    await using t = await setup();
    await t.world.submit();
    await t.world.until(JOB, "queued");
    expect(await t.world.service.history(JOB, "bob")).toBeUndefined();
    expect(await t.world.service.history(jobId(7), "alice")).toBeUndefined();
    expect((await t.world.service.history(JOB, "alice"))?.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
    const release = t.scheduler.hold("cancel");
    const removed = t.world.service.remove(JOB, "alice");
    await t.world.until(JOB, "cancelling");
    expect(await t.world.service.history(JOB, "alice")).toBeUndefined();
    release();
    await removed;
    expect(await t.world.service.history(JOB, "alice")).toBeUndefined();
  });
});

describe("the registry", () => {
  test("wakes every listener once per call, and keeps nothing of jobs that nobody watches", () => {
    const watchers = new JobWatchers();
    let count = 0;
    const wake = (): void => {
      count += 1;
    };
    const stops = [watchers.watch(JOB, wake), watchers.watch(JOB, wake), watchers.watch(jobId(2), wake)];
    watchers.wake(JOB);
    expect([count, watchers.size]).toEqual([2, 2]);
    stops[0]?.();
    stops[0]?.();
    watchers.wake(JOB);
    expect([count, watchers.size]).toEqual([3, 2]);
    for (const stop of stops) stop();
    watchers.wake(JOB);
    expect([count, watchers.size]).toEqual([3, 0]);
  });

  test("lets a listener end itself and others while it is woken", () => {
    const watchers = new JobWatchers();
    const woken: string[] = [];
    const stops: (() => void)[] = [];
    for (const name of ["a", "b"]) {
      stops.push(
        watchers.watch(JOB, () => {
          woken.push(name);
          for (const stop of stops) stop();
        }),
      );
    }
    watchers.wake(JOB);
    expect([woken, watchers.size]).toEqual([["a"], 0]);
  });
});
