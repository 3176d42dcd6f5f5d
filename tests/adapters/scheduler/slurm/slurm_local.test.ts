import { afterAll } from "bun:test";
import { schedulerSuite } from "../../../conformance/scheduler_suite.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { openSlurmWorld, SLURM_WAIVERS } from "../../../support/slurm_world.ts";

const cluster = await startSlurmCluster();
afterAll(() => cluster[Symbol.asyncDispose]());

schedulerSuite("slurm, commands on this machine", async () => openSlurmWorld(cluster), {
  startsWithinMs: 60_000,
  isConcurrent: true,
  waivers: SLURM_WAIVERS,
});
