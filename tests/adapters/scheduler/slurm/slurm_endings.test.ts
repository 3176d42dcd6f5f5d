import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { pidsIn, signal, untilEnded, WAITS_FOR_GO } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { openSlurmWorld, type SlurmWorld, submit, submitRunning } from "../../../support/slurm_world.ts";

setDefaultTimeout(120_000);

const cluster = await startSlurmCluster();
afterAll(() => cluster[Symbol.asyncDispose]());

describe.concurrent("how Slurm ends jobs itself", () => {
  test("a job that Slurm will never start says why", async () => {
    await using world = openSlurmWorld(cluster, { time: "10-00:00:00" });
    const { id } = await submit(world, "true");
    const status = await eventually("Slurm's reason", async () => {
      const seen = (await world.scheduler.statuses([id], signal)).get(id);
      return seen?.type === "queued" && seen.note !== undefined && seen;
    });
    expect(status.note).toMatch(/^Slurm: PENDING \(Partition(TimeLimit|Config)\)$/);
    await world.scheduler.cancel(id, signal);
  });

  test("a job beyond its time limit is no success, says so and has a return code", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number, directory } = await submitRunning(world);
    cluster.command("scontrol", "update", `JobId=${number}`, "EndTime=now+1");
    const outcome = await untilEnded(world.scheduler, id, 60_000);
    expect(outcome.isOk).toBe(false);
    expect(outcome.reason).toBe("Slurm: TIMEOUT, the job ran into its time limit");
    expect(outcome.returnCode).toBeLessThan(0);
    expect(await world.read(directory, "returncode")).toBe(String(outcome.returnCode));
  });

  test("a job that somebody else cancels while it runs", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number } = await submitRunning(world);
    cluster.command("scancel", number);
    const outcome = await untilEnded(world.scheduler, id);
    expect(outcome).toEqual({
      isOk: false,
      returnCode: -15,
      reason: "Slurm: CANCELLED, the job was cancelled in Slurm",
    });
  });

  test("a job that is cancelled is no success, also when its command ends well on the signal", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number, directory } = await submit(world, `trap 'exit 0' TERM; ${WAITS_FOR_GO}`);
    await pidsIn(world, directory, "pids");
    cluster.command("scancel", number);
    expect(await untilEnded(world.scheduler, id)).toEqual({
      isOk: false,
      returnCode: 0,
      reason: "Slurm: CANCELLED, the job was cancelled in Slurm",
    });
  });

  test("a job that somebody else cancels before it starts", async () => {
    await using world = openSlurmWorld(cluster, { extraOptions: ["--begin=now+1hour"] });
    const { id, number, directory } = await submit(world, "echo started >ledger");
    expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "queued" });
    cluster.command("scancel", number);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: null });
    expect(existsSync(join(directory, "ledger"))).toBe(false);
  });

  test("a suspended job counts as running", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number, directory } = await submitRunning(world);
    cluster.command("scontrol", "suspend", number);
    expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
    cluster.command("scontrol", "resume", number);
    await world.write(directory, "go", "");
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  });

  describe("where requeueing is configured", () => {
    const options = { extraOptions: ["--requeue"], witnessPatienceMs: 0 };

    /** A job of which Slurm has ended the first run; the next one would end with 4. */
    async function submitRequeued(world: SlurmWorld) {
      const job = await submit(world, "echo x >>ledger; [ -e go ] && exit 4; echo $$ >>pids; sleep 300");
      await pidsIn(world, job.directory, "pids");
      await world.write(job.directory, "go", "");
      cluster.command("scontrol", "requeue", job.number);
      await eventually("the requeued job to wait", () =>
        /PENDING/.test(cluster.command("squeue", "-h", "-j", job.number, "-o", "%T")),
      );
      expect((await world.scheduler.statuses([job.id], signal)).get(job.id)?.type).toBe("queued");
      return job;
    }

    /** Instead of after two minutes; a job may not start on a node in the second in which it was ended there. */
    const startSoon = (number: string) => cluster.command("scontrol", "update", `JobId=${number}`, "StartTime=now+2");

    test("a requeued job starts again, and its last run counts", async () => {
      await using world = openSlurmWorld(cluster, options);
      const { id, number, directory } = await submitRequeued(world);
      startSoon(number);
      expect(await untilEnded(world.scheduler, id, 60_000)).toMatchObject({ isOk: false, returnCode: 4 });
      expect(await world.read(directory, "ledger")).toBe("x\nx\n");
    });

    test("a requeued job that Slurm fails to start again does not end as its first run did", async () => {
      await using world = openSlurmWorld(cluster, options);
      const { id, number, directory } = await submitRequeued(world);
      renameSync(directory, `${directory}.away`);
      startSoon(number);
      expect(await untilEnded(world.scheduler, id, 60_000)).toEqual({
        isOk: false,
        returnCode: null,
        reason: "Slurm: FAILED (JobLaunchFailure), and the command left no return code",
      });
      expect(await world.read(`${directory}.away`, "ledger")).toBe("x\n");
    });

    test("a requeued job that is cancelled before it starts again does not end as its first run did", async () => {
      await using world = openSlurmWorld(cluster, options);
      const { id, number } = await submitRequeued(world);
      cluster.command("scancel", number);
      expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: null });
    });
  });

  test("a job whose node goes down is no success and says so", async () => {
    await using world = openSlurmWorld(cluster, { partition: "main" });
    const { id, number } = await submitRunning(world);
    const node = cluster.command("squeue", "-h", "-j", number, "-o", "%N").trim();
    cluster.command("scontrol", "update", `NodeName=${node}`, "State=DOWN", "Reason=test");
    const outcome = await untilEnded(world.scheduler, id);
    await eventually("the node to be back", () => /idle/.test(cluster.command("sinfo", "-h", "-n", node, "-o", "%t")));
    expect(outcome).toMatchObject({ isOk: false, reason: "Slurm: NODE_FAIL, a node of the job failed" });
  });
});
