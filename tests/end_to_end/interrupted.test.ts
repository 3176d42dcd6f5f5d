import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { processTable } from "../../adapters/scheduler/process_table.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";

// Real processes on a busy machine.
setDefaultTimeout(180_000);

const table = processTable();

/** The first run hangs, a later one succeeds. */
const config = (options: string): string => `job_root_dir: jobs
applications:
  once:
    command_template: >
      echo run >>ledger; if [ -e been ]; then exit 0; fi; touch been; sleep 300
  hang:
    command_template: sleep 300 & echo $$ $! >pids; wait
    max_runtime: 3
destinations:
  local:
    scheduler: { type: memory, slots: 1 }
    filesystem: { type: local }
${options}`;

/** Ends the daemon and then, as a power cut does, all processes of the only job. */
async function cutPower(daemon: DaemonProcess): Promise<void> {
  await daemon.stop("SIGKILL");
  const attempts = join(daemon.directory, "jobs", ".bartender", "attempts");
  for (const name of readdirSync(attempts)) {
    const pid = Number.parseInt(readFileSync(join(attempts, name), "utf8"), 10);
    process.kill(-pid, "SIGKILL");
    await eventually("the end of the command", () => table.living(pid, true, name).length === 0);
  }
}

/** A file of a job; empty when it is not there yet. */
function read(daemon: DaemonProcess, id: number, name: string): string {
  const path = join(daemon.directory, "jobs", String(id), name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

describe("a command that vanished while no daemon was there", () => {
  test("is run again where the destination wants that, and its user sees it running all the while", async () => {
    await using daemon = await startDaemon({ config: config("    on_interrupt: rerun\n") });
    const id = await daemon.submitOk("once", { "a.txt": "a" });
    await daemon.until(id, "running");
    await eventually("the first run", () => read(daemon, id, "ledger") === "run\n");
    await cutPower(daemon);
    await daemon.restart();
    const states = new Set<string>();
    await eventually("the end", async () => {
      const { state } = await daemon.job(id);
      states.add(state);
      return state === "ok" || state === "error";
    });
    expect([...states].filter((state) => state !== "running" && state !== "staging_out")).toEqual(["ok"]);
    expect(read(daemon, id, "ledger")).toBe("run\nrun\n");
    const history = await (await daemon.call("GET", `/api/job/${id}/history`)).json();
    expect(JSON.stringify(history)).toContain("The command was interrupted");
  });

  test("makes its job an error with the reason where nothing is said", async () => {
    await using daemon = await startDaemon({ config: config("") });
    const id = await daemon.submitOk("once", { "a.txt": "a" });
    await daemon.until(id, "running");
    await eventually("the first run", () => read(daemon, id, "ledger") === "run\n");
    await cutPower(daemon);
    await daemon.restart();
    await daemon.until(id, "error");
    expect(read(daemon, id, "ledger")).toBe("run\n");
    expect(read(daemon, id, "stderr.txt")).toContain(
      "bartender: The command was interrupted: its process is gone and left no return code",
    );
  });
});

test("a command that runs longer than max_runtime is ended with all its processes, over a crash of the daemon", async () => {
  await using daemon = await startDaemon({ config: config("") });
  const id = await daemon.submitOk("hang", { "a.txt": "a" });
  // On a busy machine it may be over before anybody has looked.
  await daemon.until(id, "running", "error");
  const pids = await eventually("the processes", () => {
    const found = /^(\d+) (\d+)\n$/.exec(read(daemon, id, "pids"));
    return found?.slice(1).map(Number);
  });
  await daemon.stop("SIGKILL");
  await daemon.restart();
  await daemon.until(id, "error");
  for (const pid of pids) expect(table.read(pid)).toBeUndefined();
  expect(read(daemon, id, "stderr.txt")).toContain("bartender: Ran longer than max_runtime (3 s)\n");
});
