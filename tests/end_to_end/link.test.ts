import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DaemonProcess, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { tempDir } from "../support/temp_dir.ts";

// Without any destination called `local`, which jobs of this kind once needed.
const CONFIG = `job_root_dir: jobs
destinations: { here: { scheduler: { type: memory }, filesystem: { type: local } } }
applications: { wc: { command_template: wc }, old: { command_template: "false" } }
interactive_applications:
  note: { command_template: echo noted > note.txt && ls, input_schema: { type: object }, job_application: old }
limits: { interactive_max_load: 1000 }
`;

/** A running daemon, and a directory that looks like a finished job. */
async function setup() {
  const daemon = await startDaemon({ config: CONFIG });
  const elsewhere = tempDir();
  const directory = join(elsewhere.path, "old run");
  mkdirSync(directory);
  writeFileSync(join(directory, "stdout.txt"), "old output\n");
  const run = async (...args: readonly string[]) => {
    await using command = spawnDaemon(daemon.directory, { logName: "link.log", args });
    const status = await command.ended();
    return { status, output: command.output() };
  };
  return {
    ...{ daemon, directory, run },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      elsewhere[Symbol.dispose]();
    },
  };
}

async function jobs(daemon: DaemonProcess): Promise<readonly unknown[]> {
  return (await (await daemon.call("GET", "/api/job/")).json()) as readonly unknown[];
}

describe("bartender link", () => {
  test.each(["link", "link-job"])("%s shows a directory as a finished job beside a running daemon", async (command) => {
    await using it = await setup();
    const { status, output } = await it.run(command, it.directory, "--submitter", "alice", "--application", "old");
    expect({ status, output }).toEqual({ status: 0, output: "1\n" });
    expect(await it.daemon.job(1)).toMatchObject({
      name: "old run",
      application: "old",
      state: "ok",
      destination: null,
    });
    expect(await it.daemon.text("/api/job/1/stdout")).toBe("old output\n");
    expect(await it.daemon.text("/api/job/1/directories")).toContain("stdout.txt");
    const answer = await it.daemon.call("POST", "/api/job/1/interactive/note", { body: "{}" });
    expect(await answer.json()).toMatchObject({ returncode: 0 });
    expect(readFileSync(join(it.directory, "note.txt"), "utf8")).toBe("noted\n");
  });

  test("lets the job be deleted without its files", async () => {
    await using it = await setup();
    await it.run("link", it.directory, "--submitter", "alice");
    expect((await it.daemon.call("DELETE", "/api/job/1")).status).toBe(204);
    expect(existsSync(join(it.daemon.directory, "jobs/1"))).toBe(false);
    expect(readdirSync(it.directory)).toEqual(["stdout.txt"]);
  });

  test("survives a restart of the daemon, and takes a name", async () => {
    await using it = await setup();
    await it.run("link", it.directory, "--submitter", "alice", "--name", "first");
    await it.daemon.restart();
    expect(await it.daemon.job(1)).toMatchObject({ name: "first", application: "ln", state: "ok" });
  });

  test("refuses what is no directory, the job root, and texts that are too long, and leaves nothing", async () => {
    await using it = await setup();
    const own = join(it.daemon.directory, "jobs");
    const long = "x".repeat(255);
    for (const [args, fault] of [
      [["nowhere"], 'file or directory at path "nowhere" does not exist'],
      [["config.yaml"], 'path "config.yaml" does not point to a directory'],
      [["jobs"], "expected a directory outside of the job root"],
      [["."], "expected a directory outside of the job root"],
      [[it.directory, "--submitter", long], "--submitter: expected 1 to 254 characters, got 255"],
      [[it.directory, "--name", ""], "--name: expected 1 to 200 characters, got 0"],
    ] as const) {
      const { status, output } = await it.run("link", ...args);
      expect({ status, isSaid: output.includes(fault), output }).toMatchObject({ status: 1, isSaid: true });
    }
    expect(await jobs(it.daemon)).toEqual([]);
    expect(readdirSync(own).filter((name) => name !== ".bartender")).toEqual([]);
  });

  test("takes the row back when the link cannot be made", async () => {
    await using it = await setup();
    symlinkSync("/nowhere", join(it.daemon.directory, "jobs/1"));
    expect((await it.run("link", it.directory, "--submitter", "alice")).status).toBe(1);
    expect(await jobs(it.daemon)).toEqual([]);
  });

  test("needs a database that is up to date", async () => {
    await using it = await setup();
    await using command = spawnDaemon(it.daemon.directory, {
      ...{ logName: "link.log", args: ["link", it.directory] },
      env: { BARTENDER_DB_URL: "sqlite:other.db" },
    });
    expect(await command.ended()).toBe(1);
    expect(existsSync(join(it.daemon.directory, "other.db"))).toBe(false);
  });
});
