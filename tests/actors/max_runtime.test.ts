import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { jobName } from "../../actors/messages.ts";
import { SchedulerUnavailableError } from "../../src/core/errors.ts";
import { type SchedulerJobId, schedulerJobId } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { type ActorWorld, actorWorld } from "../support/actor_world.ts";
import { type ControlledScheduler, controlledScheduler } from "../support/controlled_scheduler.ts";
import { SUCCEEDED } from "../support/job_builder.ts";

const DAY_S = 24 * 3600;

interface Limits {
  readonly application?: number;
  readonly destination?: number;
  readonly maxReruns?: number;
}

async function setup(
  { application, destination, maxReruns = 0 }: Limits,
  wrapStore: (store: JobStore) => JobStore = (store) => store,
) {
  const scheduler = controlledScheduler({ capacity: 1 });
  const rules = { maxReruns, maxRuntimeS: destination ?? null };
  const limit = application === undefined ? {} : { maxRuntimeS: application };
  const world = await actorWorld({ destinations: { here: { scheduler, rules } }, ...limit, wrapStore });
  return { scheduler, world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** A job whose command has just been seen running. */
async function running(t: { readonly scheduler: ControlledScheduler; readonly world: ActorWorld }) {
  const job = await t.world.submit();
  await t.world.until(job.id, "queued");
  const id = schedulerJobId(`s-${t.scheduler.submitted.at(-1)?.tag}`);
  t.scheduler.start(id);
  await t.world.until(job.id, "running");
  return { job, id };
}

async function expectEnded(
  t: { readonly world: ActorWorld; readonly scheduler: ControlledScheduler },
  job: Job,
  id: SchedulerJobId,
  limitS: number,
) {
  const reason = `Ran longer than max_runtime (${limitS} s)`;
  expect((await t.world.until(job.id, "finished")).progress).toMatchObject({ outcome: { isOk: false, reason } });
  expect(readFileSync(join(t.world.jobRootDir, String(job.id), "stderr.txt"), "utf8")).toBe(`bartender: ${reason}\n`);
  expect(t.scheduler.calls.cancel).toBeGreaterThan(0);
  // Forgotten, or ended by the cancellation.
  expect(t.scheduler.status(id)?.type ?? "ended").toBe("ended");
}

describe("max_runtime", () => {
  test.each([
    [{ application: 60 }, 60],
    [{ destination: 60 }, 60],
    [{ application: 60, destination: 90 }, 60],
    [{ application: 90, destination: 60 }, 60],
    [{ destination: 40 * DAY_S }, 40 * DAY_S],
  ])("%j ends a command after %d s, and the next one gets its slot", async (limits, seconds) => {
    await using t = await setup(limits);
    const { job, id } = await running(t);
    const next = await t.world.submit();
    await t.world.clock.advance((seconds - 1) * 1000);
    await t.world.until(job.id, "running");
    expect(t.scheduler.calls.cancel).toBe(0);
    await t.world.clock.advance(1_000);
    await expectEnded(t, job, id, seconds);
    await t.world.until(next.id, "queued");
  });

  test("counts from the saved start, also over restarts and the time without a daemon", async () => {
    await using t = await setup({ destination: 100 });
    const { job, id } = await running(t);
    await t.world.clock.advance(40_000);
    await t.world.restart();
    await t.world.clock.advance(40_000);
    await t.world.until(job.id, "running");
    await t.world.system.stop();
    await t.world.clock.advance(19_000);
    await t.world.restart();
    await t.world.until(job.id, "running");
    await t.world.clock.advance(1_000);
    await expectEnded(t, job, id, 100);
  });

  test("does not spoil the success of a command that ended while nobody watched", async () => {
    await using t = await setup({ destination: 100 });
    const { job, id } = await running(t);
    await t.world.system.stop();
    t.scheduler.end(id, SUCCEEDED);
    await t.world.clock.advance(10 * 100_000);
    await t.world.restart();
    expect((await t.world.until(job.id, "finished")).progress).toMatchObject({ outcome: SUCCEEDED });
    expect(t.scheduler.calls.cancel).toBe(0);
  });

  test("is carried out as soon as the scheduler answers again", async () => {
    await using t = await setup({ destination: 100 });
    const { job, id } = await running(t);
    t.scheduler.failNext("statuses", ...Array.from({ length: 6 }, () => new SchedulerUnavailableError("no answer")));
    await t.world.clock.advance(101_000);
    await t.world.until(job.id, "running");
    await t.world.pass(job.id, "finished");
    await expectEnded(t, job, id, 100);
  });

  test("begins anew for a command that is run again", async () => {
    await using t = await setup({ destination: 100, maxReruns: 3 });
    const { job, id } = await running(t);
    await t.world.clock.advance(90_000);
    t.scheduler.interrupt(id);
    await t.world.eventually(() => t.scheduler.submitted.length === 2);
    await t.world.until(job.id, "queued");
    const second = schedulerJobId(`s-${t.scheduler.submitted.at(-1)?.tag}`);
    await t.world.clock.advance(90_000);
    t.scheduler.start(second);
    await t.world.until(job.id, "running");
    await t.world.clock.advance(99_000);
    await t.world.until(job.id, "running");
    await t.world.clock.advance(1_000);
    await expectEnded(t, job, second, 100);
  });

  test("is not confused by a clock that is set while the start is being saved", async () => {
    const saved = Promise.withResolvers<void>();
    let isSaving = false;
    const slowly = (store: JobStore): JobStore => {
      const save = store.save.bind(store);
      return Object.assign(store, {
        async save(job: Job, nowMs: number) {
          if (job.progress.phase === "running") {
            isSaving = true;
            await saved.promise;
          }
          return await save(job, nowMs);
        },
      });
    };
    await using t = await setup({ destination: 100 }, slowly);
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    t.scheduler.start(schedulerJobId(`s-${t.scheduler.submitted.at(-1)?.tag}`));
    await t.world.eventually(() => isSaving);
    t.world.clock.step(3_600_000);
    saved.resolve();
    await t.world.until(job.id, "running");
    await t.world.clock.advance(99_000);
    await t.world.until(job.id, "running");
    expect(t.scheduler.calls.cancel).toBe(0);
  });

  test("is not confused by a clock that is set before the destination is started anew", async () => {
    await using t = await setup({ destination: 100 });
    const { job, id } = await running(t);
    t.world.clock.step(3_600_000);
    t.world.system.find(jobName(job.id))?.send({ type: "destination_restarted" });
    await t.world.clock.advance(99_000);
    await t.world.until(job.id, "running");
    expect(t.scheduler.calls.cancel).toBe(0);
    await t.world.clock.advance(1_000);
    await expectEnded(t, job, id, 100);
  });

  test("is not confused by a clock that is set", async () => {
    await using t = await setup({ destination: 100 });
    const { job, id } = await running(t);
    t.world.clock.step(3_600_000);
    await t.world.clock.advance(50_000);
    await t.world.until(job.id, "running");
    t.world.clock.step(-7_200_000);
    await t.world.clock.advance(49_000);
    await t.world.until(job.id, "running");
    await t.world.clock.advance(1_000);
    await expectEnded(t, job, id, 100);
  });
});
