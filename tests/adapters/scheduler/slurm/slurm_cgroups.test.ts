import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { freshTag, jobIn, pidsIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { openSlurmWorld } from "../../../support/slurm_world.ts";

setDefaultTimeout(120_000);

const cluster = await startSlurmCluster({ hasCgroups: true });
afterAll(() => cluster[Symbol.asyncDispose]());

test("a job that uses more memory than it was given says so", async () => {
  await using world = openSlurmWorld(cluster, { resources: { memoryMb: 60 } });
  const directory = await world.makeDirectory();
  const command = "head -c 300000000 /dev/zero | tail";
  const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
  const outcome = await untilEnded(world.scheduler, id, 60_000);
  expect(outcome.isOk).toBe(false);
  expect(outcome.reason).toBe("Slurm: OUT_OF_MEMORY, the job used more memory than it was given");
});

test("cancel() ends children that left the process group", async () => {
  await using world = openSlurmWorld(cluster);
  const directory = await world.makeDirectory();
  const command = "setsid sh -c 'echo $$ >>pids; exec sleep 300' & echo $$ >>pids; sleep 300";
  const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
  const pids = await pidsIn(world, directory, "pids", 2);
  await world.scheduler.cancel(id, signal);
  for (const pid of pids) expect(await world.isAlive(pid)).toBe(false);
});
