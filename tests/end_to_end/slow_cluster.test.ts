import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { startDaemon } from "../support/daemon_process.ts";
import { ENDLESS_S, slowSlurm } from "../support/slow_slurm.ts";
import { startSlurmCluster } from "../support/slurm_cluster.ts";

setDefaultTimeout(180_000);

const cluster = await startSlurmCluster();
afterAll(() => cluster[Symbol.asyncDispose]());

const CONFIG = `job_root_dir: jobs
destination_picker: bartender.picker:pick_byname
applications:
  cluster: {command_template: echo >>ledger}
  here: {command_template: echo >>ledger}
destinations:
  cluster:
    scheduler: {type: slurm, partition: wide}
    filesystem: {type: local}
    poll_interval: 1
  here:
    scheduler: {type: memory, slots: 2}
    filesystem: {type: local}
`;

const FILES = { input: "" };

test("a slow cluster keeps no other destination waiting, is asked one question at a time, and runs each job once", async () => {
  using slurm = slowSlurm(cluster.environment);
  await using daemon = await startDaemon({ config: CONFIG, env: slurm.environment });
  slurm.slow({ beforeS: ENDLESS_S });
  const submit = (application: string) =>
    Promise.all(Array.from({ length: 6 }, () => daemon.submitOk(application, FILES)));
  const slow = await submit("cluster");
  const quick = await submit("here");
  for (const id of quick) expect(await daemon.until(id, "ok", "error")).toMatchObject({ state: "ok" });
  for (const id of slow) expect((await daemon.job(id)).state).toBe("queued");
  // Longer than the time between two questions.
  slurm.slow({ beforeS: 0.8, afterS: 0.8 });
  const [deleted = 0, ...others] = slow;
  expect((await daemon.call("DELETE", `/api/job/${deleted}`)).status).toBeLessThan(300);
  for (const id of others) expect(await daemon.until(id, "ok", "error")).toMatchObject({ state: "ok", reason: null });
  for (const id of others) expect(await daemon.text(`/api/job/${id}/files/ledger`)).toBe("\n");
  expect(slurm.askedTwice).toBe(0);
  expect(slurm.calls("sbatch")).toBeLessThanOrEqual(slow.length);
});
