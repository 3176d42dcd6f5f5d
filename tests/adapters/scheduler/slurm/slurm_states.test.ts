import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { meaningOf } from "../../../../adapters/scheduler/slurm/slurm_state.ts";
import type { SchedulerJobId } from "../../../../src/core/ids.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { numberOf, openSlurmWorld, type SlurmWorld, submit, submitRunning } from "../../../support/slurm_world.ts";
import { tempDir } from "../../../support/temp_dir.ts";

setDefaultTimeout(120_000);

/** Jobs named by files in it, `<tag>.starting` and `<number>.ending`, start and end no further while these are there. */
const gates = tempDir();
const gate = (name: string, variable: string, suffix: string): string => {
  const path = join(gates.path, name);
  const script = `#!/bin/sh\nwhile [ -e "${gates.path}/$${variable}.${suffix}" ]; do sleep 0.1; done\n`;
  writeFileSync(path, script, { mode: 0o755 });
  return path;
};

const cluster = await startSlurmCluster({
  settings: [
    `PrologSlurmctld=${gate("prolog", "SLURM_JOB_NAME", "starting")}`,
    `Epilog=${gate("epilog", "SLURM_JOB_ID", "ending")}`,
    "PreemptType=preempt/partition_prio",
    "PreemptMode=CANCEL",
    "PartitionName=low Nodes=n2 PriorityTier=1",
    "PartitionName=high Nodes=n2 PriorityTier=10",
  ],
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  gates[Symbol.dispose]();
});

const stateOf = (number: string): string =>
  cluster.command("squeue", "-h", "-t", "all", "-j", number, "-o", "%T").trim();

async function statusOf({ scheduler }: SlurmWorld, id: SchedulerJobId) {
  return (await scheduler.statuses([id], signal)).get(id);
}

test("every state that the installed squeue knows has a meaning", () => {
  const { stderr } = spawnSync("squeue", ["--states=none"], { env: cluster.environment, encoding: "utf8" });
  const states = /Valid job states include: (\S+)/.exec(stderr)?.[1]?.split(",") ?? [];
  expect(states).toContain("PENDING");
  expect(states.filter((state) => meaningOf(state) === "unknown")).toEqual([]);
});

test.concurrent("CONFIGURING, while its nodes get ready, is queued", async () => {
  await using world = openSlurmWorld(cluster);
  const tag = freshTag();
  const path = join(gates.path, `${tag}.starting`);
  writeFileSync(path, "");
  const id = await world.scheduler.submit(jobIn(await world.makeDirectory(), "exit 4"), tag, signal);
  await eventually("Slurm to begin", () => stateOf(numberOf(id)) === "CONFIGURING");
  expect(await statusOf(world, id)).toMatchObject({ type: "queued" });
  rmSync(path);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: 4 });
});

test.concurrent("COMPLETING, while Slurm cleans up after the command, is running", async () => {
  await using world = openSlurmWorld(cluster);
  const { id, number, directory } = await submitRunning(world);
  const path = join(gates.path, `${number}.ending`);
  writeFileSync(path, "");
  await world.write(directory, "go", "");
  await eventually("the command to end", () => stateOf(number) === "COMPLETING");
  expect(await statusOf(world, id)).toEqual({ type: "running" });
  rmSync(path);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
});

test.concurrent("STOPPED, by a signal of somebody else, is running, and can be cancelled", async () => {
  await using world = openSlurmWorld(cluster);
  const { id, number, directory } = await submitRunning(world);
  cluster.command("scancel", "--signal=STOP", number);
  await eventually("Slurm to stop it", () => stateOf(number) === "STOPPED");
  expect(await statusOf(world, id)).toEqual({ type: "running" });
  const [pid = 0] = await pidsIn(world, directory, "pids");
  await world.scheduler.cancel(id, signal);
  expect(await world.isAlive(pid)).toBe(false);
});

test.concurrent("PREEMPTED, for a job that is more urgent, is an interruption", async () => {
  const extraOptions = ["--cpus-per-task=2"];
  await using low = openSlurmWorld(cluster, { partition: "low", extraOptions });
  await using high = openSlurmWorld(cluster, { partition: "high", extraOptions });
  const { id } = await submitRunning(low);
  const urgent = await submit(high, "true");
  expect(await untilEnded(high.scheduler, urgent.id)).toMatchObject({ isOk: true });
  expect(await statusOf(low, id)).toMatchObject({
    type: "ended",
    isInterrupted: true,
    outcome: { isOk: false, reason: "Slurm: PREEMPTED, the job had to make room for another" },
  });
});

test.concurrent("a job that was requeued and is held is queued, and says why it does not start", async () => {
  await using world = openSlurmWorld(cluster, { extraOptions: ["--requeue"] });
  const { id, number } = await submitRunning(world);
  cluster.command("scontrol", "requeuehold", number);
  await eventually("the job to be held", () => stateOf(number) === "PENDING");
  expect(await statusOf(world, id)).toEqual({
    type: "queued",
    note: "Slurm: PENDING (job requeued in held state)",
  });
  await world.scheduler.cancel(id, signal);
});
