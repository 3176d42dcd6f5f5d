import { afterAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import type { SchedulerJobId } from "../../../../src/core/ids.ts";
import { schedulerSuite } from "../../../conformance/scheduler_suite.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { openSlurmWorld, SLURM_WAIVERS, type SlurmWorld } from "../../../support/slurm_world.ts";

setDefaultTimeout(120_000);

const cluster = await startSlurmCluster({ hasAccounting: true, minJobAgeS: 3 });
afterAll(() => cluster[Symbol.asyncDispose]());
beforeEach(() => cluster.ready());

schedulerSuite("slurm with accounting", async () => openSlurmWorld(cluster), {
  startsWithinMs: 60_000,
  isConcurrent: true,
  waivers: SLURM_WAIVERS,
});

/** A job that has ended and of which nothing but the accounting knows. */
async function forgotten(world: SlurmWorld, command: string): Promise<SchedulerJobId> {
  const tag = freshTag();
  const id = await world.scheduler.submit(jobIn(await world.makeDirectory(), command), tag, signal);
  await untilEnded(world.scheduler, id);
  const number = id.split("@")[0] ?? "";
  await cluster.forgets(number);
  rmSync(world.options.controlDir, { recursive: true });
  return id;
}

test.concurrent("the accounting tells of a job that nothing else knows any more", async () => {
  await using world = openSlurmWorld(cluster, { witnessPatienceMs: 0 });
  const id = await forgotten(world, "exit 3");
  const tag = id.split("@")[1] ?? "";
  const next = await world.reopen();
  expect(await next.find(tag as never, signal)).toBe(id);
  const status = (await next.statuses([id], signal)).get(id);
  expect(status).toMatchObject({ type: "ended", outcome: { isOk: false, returnCode: null } });
  expect(status?.type === "ended" && status.outcome.reason).toMatch(/^Slurm: FAILED/);
});

test.concurrent("a job of the Python Bartender, known by its number alone, ends as Slurm says", async () => {
  await using world = openSlurmWorld(cluster, { witnessPatienceMs: 0 });
  const id = await forgotten(world, "true");
  const bare = (id.split("@")[0] ?? "") as SchedulerJobId;
  expect((await world.scheduler.statuses([bare], signal)).get(bare)).toMatchObject({
    type: "ended",
    outcome: { isOk: true },
  });
});

test.concurrent("the accounting tells that a requeued job was not started again, and whose the record is", async () => {
  await using world = openSlurmWorld(cluster, { extraOptions: ["--requeue"], witnessPatienceMs: 0 });
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, "echo $$ >>pids; sleep 300"), freshTag(), signal);
  const number = id.split("@")[0] ?? "";
  await pidsIn(world, directory, "pids");
  cluster.command("scontrol", "requeue", number);
  await eventually("the requeued job to wait", () =>
    /PENDING/.test(cluster.command("squeue", "-h", "-j", number, "-o", "%T")),
  );
  cluster.command("scancel", number);
  await cluster.forgets(number);
  expect(await untilEnded(world.scheduler, id)).toEqual({
    isOk: false,
    returnCode: null,
    reason: "Slurm: CANCELLED, the job was cancelled in Slurm",
  });
});

test("while the accounting is away nothing is concluded about jobs that only it knows", async () => {
  await using world = openSlurmWorld(cluster, { lostAfterMs: 0 });
  const id = await forgotten(world, "true");
  await cluster.accounting?.stop();
  try {
    await expect(world.scheduler.statuses([id], signal)).rejects.toBeInstanceOf(SchedulerUnavailableError);
    const running = await world.scheduler.submit(jobIn(await world.makeDirectory(), "exit 4"), freshTag(), signal);
    expect(await untilEnded(world.scheduler, running)).toMatchObject({ returnCode: 4 });
  } finally {
    await cluster.accounting?.start();
  }
});
