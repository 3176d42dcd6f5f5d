import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";

/** Two children leave the session of the command, one of them with the environment; one is deaf to TERM. */
const CONFIG = `job_root_dir: jobs
applications:
  family:
    command_template: >-
      echo $$ >>pids;
      setsid sh -c 'echo $$ >>pids; exec sleep 600' &
      setsid -f sh -c 'trap "" TERM; echo $$ >>pids; while :; do sleep 0.1; done';
      sh -c 'echo $$ >>pids; exec sleep 600'
  quick: {command_template: echo done}
`;
const PROCESSES = 4;

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("POST /api/job/{id}/cancel", () => {
  test("leaves nothing of a command running, also of children in sessions of their own, and keeps the files", async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    const id = await daemon.submitOk("family", { "input.txt": "kept" });
    const waiting = await daemon.submitOk("quick", { "input.txt": "next" });
    const directory = join(daemon.directory, "jobs", String(id));
    const pids = await eventually("all processes of the job", () => {
      const file = join(directory, "pids");
      const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
      return lines.length === PROCESSES && lines.map(Number);
    });
    await daemon.until(id, "running");
    expect(pids.map(isAlive)).toEqual([true, true, true, true]);

    expect(await (await daemon.call("GET", "/api/job/")).json()).toMatchObject([
      { id: waiting, state: "queued", queue_position: 1, submitted_on: null, destination: "local" },
      { id, state: "running", queue_position: null, reason: null, finished_on: null, returncode: null },
    ]);

    const answer = await daemon.call("POST", `/api/job/${id}/cancel`);
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ id, application: "family" });
    expect((await daemon.call("POST", `/api/job/${id}/cancel`)).status).toBeOneOf([202, 409]);
    expect(await daemon.until(id, "ok", "error")).toMatchObject({
      state: "error",
      reason: "Cancelled by alice",
      returncode: null,
      submitted_on: expect.any(String),
      started_on: expect.any(String),
      finished_on: expect.any(String),
    });
    expect(pids.map(isAlive)).toEqual([false, false, false, false]);

    expect(readdirSync(directory)).toEqual(expect.arrayContaining(["input.txt", "pids", "stderr.txt"]));
    expect(await daemon.text(`/api/job/${id}/stderr`)).toContain("Cancelled by alice");
    const again = await daemon.call("POST", `/api/job/${id}/cancel`);
    expect([again.status, await again.json()]).toEqual([409, { detail: "Job has finished already" }]);
    const history = await (await daemon.call("GET", `/api/job/${id}/history`)).json();
    expect(history).toContainEqual(
      expect.objectContaining({ phase: "cancelling", state: "running", attempt: 1, reason: "Cancelled by alice" }),
    );
    // The slot is free again.
    expect(await daemon.until(waiting, "ok")).toMatchObject({ returncode: 0, reason: null, queue_position: null });
  });

  test("of a job of somebody else is 404, and the job runs on", async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    const id = await daemon.submitOk("family", { "input.txt": "" });
    await daemon.until(id, "running");
    const authorization = `Bearer ${await daemon.token({ sub: "bob" })}`;
    for (const [method, path] of [
      ["POST", "cancel"],
      ["GET", "history"],
    ] as const) {
      const answer = await daemon.call(method, `/api/job/${id}/${path}`, { headers: { authorization } });
      expect([answer.status, await answer.json()]).toEqual([404, { detail: "Job not found" }]);
    }
    expect((await daemon.job(id)).state).toBe("running");
    await daemon.call("DELETE", `/api/job/${id}`);
  });
});
