import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { startSlurmCluster } from "../support/slurm_cluster.ts";

setDefaultTimeout(180_000);

const cluster = await startSlurmCluster();
afterAll(() => cluster[Symbol.asyncDispose]());

const CONFIG = `job_root_dir: jobs
applications:
  say:
    command_template: echo {{ text|q }} >>ledger; until [ -e go ] || [ {{ wait|q }} = no ]; do sleep 0.1; done; exit {{ status|q }}
    input_schema:
      type: object
      properties:
        text: {type: string, default: hello}
        wait: {type: string, default: "no"}
        status: {type: integer, default: 0}
destinations:
  cluster:
    scheduler: {type: slurm, partition: wide, time: "00:10:00", extra_options: ["--nice=1", "--cpus-per-task=1"]}
    filesystem: {type: local}
    poll_interval: 1
    retry: {initial_delay: 1, max_delay: 4}
`;

async function open() {
  const daemon = await startDaemon({ config: CONFIG, env: cluster.environment });
  return daemon;
}

const FILES = { "input.txt": "input" };

/** True when Slurm has no job of a daemon; others may use the cluster at the same time. */
function hasNone({ directory }: DaemonProcess): boolean {
  return !cluster.command("squeue", "-h", "--me", "-o", "%Z").includes(directory);
}

test.concurrent("jobs run on Slurm, and the exit status of the command decides", async () => {
  await using daemon = await open();
  const good = await daemon.submitOk("say", FILES, { text: 'it\'s "good" $HOME' });
  const bad = await daemon.submitOk("say", FILES, { status: "3" });
  expect(await daemon.until(good, "ok", "error")).toMatchObject({ state: "ok", destination: "cluster", returncode: 0 });
  expect(await daemon.until(bad, "ok", "error")).toMatchObject({ state: "error", returncode: 3 });
  expect(await daemon.text(`/api/job/${good}/files/ledger`)).toBe('it\'s "good" $HOME\n');
  expect(await daemon.text(`/api/job/${bad}/files/returncode`)).toBe("3");
});

test.concurrent("a daemon that is killed takes its jobs over, and none runs twice", async () => {
  await using daemon = await open();
  const ids = await Promise.all(Array.from({ length: 6 }, () => daemon.submitOk("say", FILES, { wait: "yes" })));
  await daemon.until(ids[0] ?? 0, "running");
  await daemon.stop("SIGKILL");
  await daemon.restart();
  for (const id of ids) {
    await daemon.until(id, "running");
    await Bun.write(join(daemon.directory, "jobs", String(id), "go"), "");
  }
  for (const id of ids) {
    expect(await daemon.until(id, "ok", "error")).toMatchObject({ state: "ok" });
    expect(readFileSync(join(daemon.directory, "jobs", String(id), "ledger"), "utf8")).toBe("hello\n");
  }
});

test.concurrent("a cancelled job ends on Slurm, too", async () => {
  await using daemon = await open();
  const id = await daemon.submitOk("say", FILES, { wait: "yes" });
  await daemon.until(id, "running");
  const answer = await daemon.call("POST", `/api/job/${id}/cancel`);
  expect(answer.status).toBeLessThan(300);
  expect(await daemon.until(id, "ok", "error")).toMatchObject({ state: "error", reason: "Cancelled by alice" });
  expect(hasNone(daemon)).toBe(true);
});

test.concurrent("a deleted job leaves nothing, neither on Slurm nor on disk", async () => {
  await using daemon = await open();
  const id = await daemon.submitOk("say", FILES, { wait: "yes" });
  await daemon.until(id, "running");
  expect((await daemon.call("DELETE", `/api/job/${id}`)).status).toBe(204);
  await eventually("the directory to go", () => !existsSync(join(daemon.directory, "jobs", String(id))));
  await eventually("the end on Slurm", () => hasNone(daemon));
});

test("while the controller is away jobs wait and the API answers; then all goes on", async () => {
  await using daemon = await open();
  const running = await daemon.submitOk("say", FILES, { wait: "yes" });
  await daemon.until(running, "running");
  await cluster.controller.stop();
  const waiting = await daemon.submitOk("say", FILES);
  await eventually("the fault to be seen", () => /Unable to contact slurm controller/.test(daemon.log()), 60_000);
  expect((await daemon.call("GET", "/api/job/")).status).toBe(200);
  expect((await daemon.job(running)).state).toBe("running");
  await Bun.write(join(daemon.directory, "jobs", String(running), "go"), "");
  await cluster.controller.start();
  expect(await daemon.until(running, "ok", "error")).toMatchObject({ state: "ok" });
  expect(await daemon.until(waiting, "ok", "error")).toMatchObject({ state: "ok" });
});

test("an outage of the controller degrades the destination, once for all its jobs, and costs none of them", async () => {
  await using daemon = await open();
  const running = await daemon.submitOk("say", FILES, { wait: "yes" });
  await daemon.until(running, "running");
  await cluster.controller.stop();
  const waiting = await Promise.all(Array.from({ length: 8 }, () => daemon.submitOk("say", FILES)));
  const degraded =
    /"reason":"Destination \\"cluster\\" is degraded: .*Unable to contact slurm controller.*; next try at /;
  for (const id of [running, ...waiting]) {
    await eventually("the reason", async () => degraded.test(await daemon.text(`/api/job/${id}`)), 90_000);
  }
  await Bun.write(join(daemon.directory, "jobs", String(running), "go"), "");
  await cluster.controller.start();
  for (const id of [running, ...waiting]) {
    expect(await daemon.until(id, "ok", "error")).toMatchObject({ state: "ok", reason: null });
    expect(readFileSync(join(daemon.directory, "jobs", String(id), "ledger"), "utf8")).toBe("hello\n");
  }
  const told = (message: string): number => daemon.log().split(message).length - 1;
  expect(told("The destination answers again")).toBe(told("The destination is degraded"));
  expect(told("The destination is degraded")).toBeLessThanOrEqual(2);
});
