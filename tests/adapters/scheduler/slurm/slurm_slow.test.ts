import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import type { SchedulerJobId } from "../../../../src/core/ids.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { ENDLESS_S, type Slowness, type SlurmProgram, slowSlurm } from "../../../support/slow_slurm.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { openSlurmWorld, submitRunning } from "../../../support/slurm_world.ts";

setDefaultTimeout(120_000);

const cluster = await startSlurmCluster();
afterAll(() => cluster[Symbol.asyncDispose]());

/** Long enough for a real answer on a busy machine. */
const TIMEOUT_MS = 8_000;

function setup() {
  const slurm = slowSlurm(cluster.environment);
  const world = openSlurmWorld(cluster, { environment: slurm.environment, commandTimeoutMs: TIMEOUT_MS });
  return {
    ...slurm,
    world,
    slurm,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      slurm[Symbol.dispose]();
    },
  };
}

async function expectNoAnswer(call: Promise<unknown>): Promise<void> {
  expect(await call.catch((error: unknown) => error)).toBeInstanceOf(SchedulerUnavailableError);
}

/** How many jobs Slurm has, or had, with the tag in this id as their name. */
function copiesOf(id: SchedulerJobId): number {
  const name = id.split("@")[1] ?? "";
  return cluster.command("squeue", "-h", "-t", "all", `--name=${name}`, "-o", "%i").split("\n").length - 1;
}

test.concurrent("a cluster that is slow in all its answers runs each job once, and is asked one question at a time", async () => {
  await using setting = setup();
  const { world, slurm } = setting;
  slurm.slow({ beforeS: 0.6, afterS: 0.6 });
  const directory = await world.makeDirectory();
  const stopped = await world.makeDirectory();
  const { scheduler } = world;
  const submit = (command: string, at: string) => scheduler.submit(jobIn(at, command), freshTag(), signal);
  const [long, ...ids] = await Promise.all([
    submit("echo $$ >>pids; sleep 300", stopped),
    ...Array.from({ length: 9 }, () => submit("echo x >>ledger; exit 3", directory)),
  ]);
  const [pid = 0] = await pidsIn(world, stopped, "pids");
  const [, ...outcomes] = await Promise.all([
    scheduler.cancel(long, signal),
    ...ids.map((id) => untilEnded(scheduler, id)),
  ]);
  for (const outcome of outcomes) expect(outcome).toMatchObject({ returnCode: 3 });
  expect(await world.isAlive(pid)).toBe(false);
  expect(await world.read(directory, "ledger")).toBe("x\n".repeat(9));
  expect(slurm.askedTwice).toBe(0);
  expect(slurm.calls("sbatch")).toBe(10);
});

describe.concurrent("an answer that takes longer than anybody waits", () => {
  test.each<[string, Slowness]>([
    ["before Slurm has the job", { beforeS: ENDLESS_S }],
    ["when Slurm has the job", { afterS: ENDLESS_S }],
  ])("to a submission, %s, costs nothing: the job runs once", async (_, slowness) => {
    await using setting = setup();
    const { world, slurm } = setting;
    const directory = await world.makeDirectory();
    const [job, tag] = [jobIn(directory, "echo once >>ledger; exit 6"), freshTag()];
    slurm.slow(slowness, "sbatch");
    await expectNoAnswer(world.scheduler.submit(job, tag, signal));
    slurm.slow({});
    const id = await world.scheduler.submit(job, tag, signal);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: 6 });
    expect(await world.read(directory, "ledger")).toBe("once\n");
    expect(copiesOf(id)).toBe(1);
  });

  test.each<[string, Slowness]>([
    ["before Slurm ends the job", { beforeS: ENDLESS_S }],
    ["when Slurm ends the job", { afterS: ENDLESS_S }],
  ])("to a cancellation, %s, is no proof, and the next one is", async (_, slowness) => {
    await using setting = setup();
    const { world, slurm } = setting;
    const { id, directory } = await submitRunning(world);
    const [pid = 0] = await pidsIn(world, directory, "pids");
    slurm.slow(slowness, "scancel");
    await expectNoAnswer(world.scheduler.cancel(id, signal));
    expect(slurm.calls("scancel")).toBe(1);
    slurm.slow({});
    await world.scheduler.cancel(id, signal);
    expect(await world.isAlive(pid)).toBe(false);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ reason: expect.stringContaining("CANCELLED") });
  });

  test.each<[SlurmProgram]>([["squeue"], ["sacct"]])("to %s says nothing about a job", async (program) => {
    await using setting = setup();
    const { world, slurm } = setting;
    const { id, directory } = await submitRunning(world);
    // Of a job that squeue does not know sacct is asked.
    const unknown = `987652@${freshTag()}` as SchedulerJobId;
    slurm.slow({ afterS: ENDLESS_S }, program);
    await expectNoAnswer(world.scheduler.statuses([id, unknown], signal));
    slurm.slow({});
    expect(await world.scheduler.statuses([id, unknown], signal)).toEqual(new Map([[id, { type: "running" }]]));
    await world.write(directory, "go", "");
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  });
});

test.concurrent("many submissions in doubt are looked up together", async () => {
  await using setting = setup();
  const { world, slurm } = setting;
  const directory = await world.makeDirectory();
  const tags = Array.from({ length: 8 }, freshTag);
  const submitAll = () =>
    Promise.allSettled(tags.map((tag) => world.scheduler.submit(jobIn(directory, "echo x >>ledger"), tag, signal)));
  slurm.slow({ afterS: ENDLESS_S }, "sbatch");
  for (const { status } of await submitAll()) expect(status).toBe("rejected");
  slurm.slow({});
  const before = slurm.calls("squeue", "sacct");
  const submitted = await submitAll();
  // One may go ahead of the others.
  expect(slurm.calls("squeue", "sacct") - before).toBeLessThanOrEqual(4);
  for (const answer of submitted) {
    if (answer.status === "rejected") throw answer.reason;
    expect(await untilEnded(world.scheduler, answer.value)).toMatchObject({ isOk: true });
    expect(copiesOf(answer.value)).toBe(1);
  }
  expect(await world.read(directory, "ledger")).toBe("x\n".repeat(8));
});
