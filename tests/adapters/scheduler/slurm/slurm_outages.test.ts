import { afterAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import type { SchedulerJobId } from "../../../../src/core/ids.ts";
import { freshTag, jobIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { openSlurmWorld, type SlurmWorld, submit, submitRunning } from "../../../support/slurm_world.ts";

setDefaultTimeout(120_000);

const cluster = await startSlurmCluster();
afterAll(() => cluster[Symbol.asyncDispose]());
beforeEach(() => cluster.ready());

describe("when the controller does not answer", () => {
  async function expectNoAnswers(calls: readonly Promise<unknown>[]): Promise<void> {
    for (const result of await Promise.allSettled(calls)) {
      expect(result.status === "rejected" && result.reason).toBeInstanceOf(SchedulerUnavailableError);
    }
  }

  /** A controller that was frozen may need a moment more. */
  function untilEndedAfterOutage(scheduler: SlurmWorld["scheduler"], id: SchedulerJobId) {
    return eventually(
      `the end of ${id}`,
      async () => {
        const status = await scheduler.statuses([id], signal).catch((error: unknown) => {
          if (error instanceof SchedulerUnavailableError) return new Map();
          throw error;
        });
        return status.get(id)?.type === "ended" && status.get(id).outcome;
      },
      60_000,
    );
  }

  test("nothing is concluded while it is stopped, and all goes on when it is back", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, directory } = await submitRunning(world);
    await cluster.controller.stop();
    try {
      await expectNoAnswers([
        world.scheduler.statuses([id], signal),
        world.another().cancel(id, signal),
        submit(world, "true"),
      ]);
      await world.write(directory, "go", "");
    } finally {
      await cluster.controller.start();
    }
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  });

  test("nothing is concluded while it is frozen, and a submission that it takes up later is found and run once", async () => {
    await using world = openSlurmWorld(cluster);
    const running = await submitRunning(world);
    const directory = await world.makeDirectory();
    const job = jobIn(directory, "echo once >>ledger; exit 3");
    const tag = freshTag();
    cluster.controller.freeze();
    try {
      await expectNoAnswers([
        world.scheduler.submit(job, tag, signal),
        world.scheduler.statuses([running.id], signal),
        world.another().cancel(running.id, signal),
      ]);
    } finally {
      cluster.controller.thaw();
    }
    await world.write(running.directory, "go", "");
    expect(await untilEndedAfterOutage(world.scheduler, running.id)).toMatchObject({ isOk: true });
    const id = await eventually(
      "the second submission",
      () =>
        world.scheduler.submit(job, tag, signal).catch((error: unknown) => {
          if (error instanceof SchedulerUnavailableError) return undefined;
          throw error;
        }),
      60_000,
    );
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: 3 });
    expect(await world.read(directory, "ledger")).toBe("once\n");
  });
});

describe.concurrent("a cluster of its own", () => {
  test.each([
    ["a power cut in the middle of jobs loses none", []],
    ["a power cut after which it has forgotten all jobs loses none", ["-c"]],
  ] as const)("%s", async (_, flags) => {
    await using cluster = await startSlurmCluster();
    await using world = openSlurmWorld(cluster);
    const jobs = await Promise.all(Array.from({ length: 5 }, () => submitRunning(world)));
    await cluster.controller.stop("SIGKILL");
    for (const { directory } of jobs) await world.write(directory, "go", "");
    await cluster.controller.start(...flags);
    for (const { id } of jobs) expect(await untilEnded(world.scheduler, id, 60_000)).toMatchObject({ isOk: true });
  });
});
