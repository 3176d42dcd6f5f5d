import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type SchedulerJobId, schedulerJobId } from "../../src/core/ids.ts";
import { publicState } from "../../src/core/job.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import { actorWorld, LOCAL_FILES } from "../support/actor_world.ts";
import { type ControlledScheduler, controlledScheduler } from "../support/controlled_scheduler.ts";
import { SUCCEEDED } from "../support/job_builder.ts";

async function setup(options: { readonly maxReruns: number; readonly canPush?: boolean }) {
  const scheduler = controlledScheduler({ capacity: 1, canPush: options.canPush ?? true });
  const { maxReruns } = options;
  const world = await actorWorld({ destinations: { here: { scheduler, rules: { maxReruns } } } });
  return { scheduler, world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** The id of the newest attempt, once there are `attempts`. */
function idOf(scheduler: ControlledScheduler, attempts: number): SchedulerJobId | undefined {
  const newest = scheduler.submitted.at(-1);
  return newest === undefined || scheduler.submitted.length < attempts ? undefined : schedulerJobId(`s-${newest.tag}`);
}

describe("a job whose command is interrupted", () => {
  test("ends in error with the reason, where nothing else is wanted", async () => {
    await using t = await setup({ maxReruns: 0 });
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    t.scheduler.interrupt(idOf(t.scheduler, 1) ?? expect.unreachable());
    await t.world.until(job.id, "finished");
    expect(readFileSync(join(t.world.jobRootDir, "1", "stderr.txt"), "utf8")).toBe(
      "bartender: The machine was restarted\n",
    );
    expect(t.scheduler.submitted.length).toBe(1);
  });

  test.each([true, false])("is run again to its end in the same slot (scheduler that pushes: %p)", async (canPush) => {
    await using t = await setup({ maxReruns: 3, canPush });
    const [job, next] = [await t.world.submit(), await t.world.submit()];
    await t.world.eventually(() => t.scheduler.submitted.length === 1);
    const first = idOf(t.scheduler, 1) ?? expect.unreachable();
    t.scheduler.start(first);
    await t.world.pass(job.id, "running");
    t.scheduler.interrupt(first);
    await t.world.pass(job.id, "queued");
    expect(publicState((await t.world.store.get(job.id))?.progress ?? expect.unreachable())).toBe("running");
    expect(t.scheduler.submitted.length).toBe(2);
    expect((await t.world.store.get(next.id))?.progress.phase).toBe("waiting");
    const second = idOf(t.scheduler, 2) ?? expect.unreachable();
    t.scheduler.start(second);
    await t.world.pass(job.id, "running");
    t.scheduler.end(second, SUCCEEDED);
    expect(await t.world.pass(job.id, "finished")).toMatchObject({ attempt: 2, progress: { outcome: SUCCEEDED } });
    await t.world.eventually(() => t.scheduler.forgotten.length === 2);
    expect(t.scheduler.forgotten).toEqual([first, second]);
    const history = (await t.world.store.history(job.id)).map(({ state, reason }) => ({ state, reason }));
    expect(history).toContainEqual({ state: "running", reason: "The machine was restarted" });
    await t.world.pass(next.id, "queued");
  });

  test("brings the output of the attempt that counts", async () => {
    const scheduler = controlledScheduler({ capacity: 1, canPush: true });
    const brought: (number | undefined)[] = [];
    const fileSystem: FileSystem = {
      ...LOCAL_FILES,
      isStaged: true,
      download: async (_remote, _local, _signal, attempt) => void brought.push(attempt),
    };
    await using world = await actorWorld({
      destinations: { here: { scheduler, fileSystem, rules: { maxReruns: 1 } } },
    });
    const job = await world.submit();
    await world.until(job.id, "queued");
    scheduler.interrupt(idOf(scheduler, 1) ?? expect.unreachable());
    await world.eventually(() => scheduler.submitted.length === 2);
    scheduler.end(idOf(scheduler, 2) ?? expect.unreachable(), SUCCEEDED);
    await world.until(job.id, "finished");
    expect(brought).toEqual([2]);
  });

  test("and then again while nobody watches is run again after a restart of the daemon, within the bound", async () => {
    await using t = await setup({ maxReruns: 2 });
    const job = await t.world.submit();
    for (let attempt = 1; attempt <= 3; attempt++) {
      await t.world.eventually(() => t.scheduler.submitted.length === attempt);
      await t.world.until(job.id, "queued");
      await t.world.system.stop();
      t.scheduler.interrupt(idOf(t.scheduler, attempt) ?? expect.unreachable());
      await t.world.restart();
    }
    expect((await t.world.until(job.id, "finished")).progress).toMatchObject({
      outcome: { isOk: false, reason: "The machine was restarted (attempt 3 of 3)" },
    });
    expect(new Set(t.scheduler.submitted.map(({ tag }) => tag)).size).toBe(3);
  });
});
