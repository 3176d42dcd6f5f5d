import { expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { runConsole, runConsoleProcess, runConsoleWith, socketOf } from "../support/console_process.ts";
import { type DaemonProcess, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";

setDefaultTimeout(180_000);

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

const CONFIG = `job_root_dir: jobs
applications:
  wait: {command_template: "echo hello; until [ -e go ]; do sleep 0.1; done"}
  fail: {command_template: "echo sorry >&2; exit 3"}
destinations:
  local: {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}
`;
const FILES = { "input.txt": "x\n" };

function curl(daemon: DaemonProcess, path: string, ...args: readonly string[]): string {
  return execFileSync("curl", ["-s", "--unix-socket", socketOf(daemon), ...args, `http://console${path}`], {
    encoding: "utf8",
  });
}

function letGo(daemon: DaemonProcess, id: number): void {
  writeFileSync(join(daemon.directory, "jobs", String(id), "go"), "");
}

test("the socket is for the owner and the group, speaks HTTP, and goes with the daemon", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  expect(statSync(socketOf(daemon)).mode & 0o777).toBe(0o660);
  expect(JSON.parse(curl(daemon, "/status"))).toMatchObject({
    pid: daemon.pid,
    destinations: [{ name: "local", mode: "open" }],
  });
  expect(JSON.parse(curl(daemon, "/nothing"))).toEqual({ detail: "Not Found" });
  await daemon.stop();
  expect(existsSync(socketOf(daemon))).toBe(false);
});

test.skipIf(process.getuid?.() !== 0)(
  "the record has the account that the kernel tells of, whatever the client claims",
  async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    const nobody = 65_534;
    chmodSync(daemon.directory, 0o711);
    chmodSync(socketOf(daemon), 0o666);
    const asNobody = (socket: string) => {
      const request = ["--header", "X-Bartender-User: root", "--data", '{"mode": "paused"}'];
      const curl = ["curl", "-s", "--unix-socket", socket, ...request, "http://console/destinations/local/mode"];
      return spawnSync("setpriv", [`--reuid=${nobody}`, "--clear-groups", ...curl], { encoding: "utf8" });
    };
    expect(asNobody(socketOf(daemon)).stdout).toContain('"mode":"paused"');
    curl(daemon, "/loglevel", "--data", '{"level": "info"}');
    const audit = JSON.parse(curl(daemon, "/audit")) as { readonly by: string }[];
    expect(audit.map(({ by }) => by)).toEqual(["uid 0", `uid ${nobody}, root (claimed)`]);
    // What is behind cannot be reached past the door.
    const behind = `${socketOf(daemon)}~0`;
    expect(statSync(behind).mode & 0o777).toBe(0o600);
    expect(asNobody(behind)).toMatchObject({ status: 7, stdout: "" });
    await daemon.stop();
    expect(readdirSync(daemon.directory).filter((name) => name.startsWith("console.sock"))).toEqual([]);
  },
);

test("the socket of a killed daemon is taken over", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  await daemon.stop("SIGKILL");
  expect(existsSync(socketOf(daemon))).toBe(true);
  expect((await runConsoleProcess(daemon, "status")).status).toBe(5);
  await daemon.restart();
  expect((await runConsoleProcess(daemon, "status")).status).toBe(0);
});

test("a socket at which somebody answers, a file, and a path that is too long are refused", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const attempt = async (socket: string): Promise<string> => {
    const env = { BARTENDER_CONSOLE_SOCKET: socket };
    await using other = spawnDaemon(daemon.directory, { logName: "other.log", env });
    expect(await other.ended()).toBe(1);
    return other.output();
  };
  await daemon.stop();
  const server = createServer().listen(socketOf(daemon));
  try {
    expect(await attempt("console.sock")).toMatch(
      /console\.sock: another process answers there.*BARTENDER_CONSOLE_SOCKET/,
    );
  } finally {
    server.close();
  }
  expect(await attempt("config.yaml")).toMatch(/config\.yaml: there is something else than a socket/);
  expect(readFileSync(join(daemon.directory, "config.yaml"), "utf8")).toBe(CONFIG);
  expect(await attempt("x".repeat(120))).toMatch(/BARTENDER_CONSOLE_SOCKET: expected a path of at most 107 bytes/);
});

test("jobs are listed, explained, held, moved, cancelled and deleted, and all of it is recorded", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const [first, second, third, failed] = [
    await daemon.submitOk("wait", FILES),
    await daemon.submitOk("wait", FILES),
    await daemon.submitOk("wait", FILES),
    await daemon.submitOk("fail", FILES),
  ];
  const ask = async (...args: readonly string[]): Promise<string> => (await runConsole(daemon, ...args)).text;
  const status = async (...args: readonly string[]): Promise<number | null> =>
    (await runConsole(daemon, ...args)).status;

  await daemon.until(first, "running");
  expect(await ask("queue")).toMatch(/1 +running.*\n2 +queued +waiting #1.*\n3 +queued +waiting #2/);
  expect(await ask("why", `${third}`)).toMatch(/waits for a run slot; 1 of 1 are taken\. It is number 2 in the queue/);
  await ask("hold", `${second}`);
  expect(await ask("why", `${second}`)).toMatch(/An administrator holds it back\. `release 2`/);
  await ask("priority", `${failed}`, "5");
  expect(await ask("queue")).toMatch(/2 +queued +held.*\n3 +queued +waiting #2.*\n4 +queued +waiting #1 \(\+5\)/);

  // What was decided about places in the queue outlives the daemon.
  await daemon.restart();
  letGo(daemon, first);
  expect(await daemon.until(failed, "ok", "error")).toMatchObject({ state: "error" });
  await daemon.until(third, "running");
  expect(await daemon.job(second)).toMatchObject({ state: "queued" });
  expect(await ask("why", `${failed}`)).toMatch(/It failed: The command ended with status 3\. Look at its output/);
  expect(await ask("logs", `${failed}`, "--stderr")).toBe("sorry\n");
  expect(await ask("job", `${third}`)).toMatch(
    /Job 3\n[\s\S]*tag +bartender-\w+-3-1\n[\s\S]*last lines of stdout.txt\nhello\n/,
  );
  expect(await ask("jobs", "--state", "error", "--reason", "status 3", "--younger", "1h")).toMatch(/^ID.*\n4 .*\n$/);
  expect(await ask("jobs", "--older", "1h")).toBe("No job matches.\n");

  expect(await status("cancel", "--state", "unfinished")).toBe(4);
  expect(await ask("cancel", "--state", "unfinished", "--dry-run")).toBe(
    "Job 2: Would be cancelled\nJob 3: Would be cancelled\n",
  );
  expect(await daemon.job(second)).toMatchObject({ state: "queued" });
  expect(await ask("cancel", "--state", "unfinished", "--yes")).toMatch(/Job 2: .*\nJob 3: .*/);
  expect(await daemon.until(third, "error")).toMatchObject({ reason: "Cancelled by an administrator" });
  expect(await ask("retry", `${failed}`, "--yes")).toBe("Job 4: It is submitted again, as job 5\n");
  expect(await status("retry", `${failed}`, "--yes")).toBe(4);
  await daemon.until(5, "error");
  expect(await ask("job", "5")).toMatch(/retry of +job 4\n/);
  expect(readdirSync(join(daemon.directory, "jobs/5")).toSorted()).toEqual([
    "input.txt",
    "returncode",
    "stderr.txt",
    "stdout.txt",
  ]);
  expect(await status("delete", `${failed}`, "--yes")).toBe(0);
  expect((await daemon.call("GET", `/api/job/${failed}`)).status).toBe(404);
  expect((await runConsoleProcess(daemon, "job", "99")).status).toBe(3);
  expect((await runConsoleProcess(daemon, "retry", `${failed}`, "--yes")).status).toBe(3);
  expect(await status("delete", "99", "--yes")).toBe(3);
  expect(await status("cancel", "--yes")).toBe(2);
  expect(await runConsole(daemon, "job", "one")).toEqual({
    ...{ status: 2, text: 'expected the number of a job, got "one"\n' },
  });
  expect(await status("jobs", "--state", "nope")).toBe(2);
  expect((await runConsoleProcess(daemon, "nonsense")).status).toBe(2);
  expect(await status("pause", "nowhere")).toBe(3);

  const audit = JSON.parse(await ask("audit", "--json")) as { by: string; action: string; target: string }[];
  expect(audit.map(({ action, target }) => `${action} ${target}`).toReversed()).toEqual([
    "hold job 2",
    "priority job 4",
    "cancel job 2",
    "cancel job 3",
    "retry job 4",
    "retry job 4",
    "delete job 4",
    "retry job 4",
    "delete job 99",
  ]);
  expect(new Set(audit.map(({ by }) => by))).toEqual(new Set([`uid ${process.getuid?.()}, tester (claimed)`]));
});

test("only jobs that were asked about are acted on, whatever has come to match the filter meanwhile", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const first = await daemon.submitOk("wait", FILES);
  let late = 0;
  const asked: string[] = [];
  const confirm = async (question: string): Promise<boolean> => {
    asked.push(question);
    late = await daemon.submitOk("wait", FILES);
    return true;
  };
  const { text } = await runConsoleWith(daemon, confirm, "cancel", "--application", "wait");
  expect([asked, text]).toEqual([["cancel job 1?"], "Job 1: It is being cancelled\n"]);
  await daemon.until(first, "error");
  await daemon.until(late, "running");
  // Where nothing can be done nobody is asked, and nothing is done.
  expect(await runConsoleWith(daemon, confirm, "cancel", `${first}`)).toEqual({
    ...{ status: 4, text: "Job 1: It has finished already\n" },
  });
  expect(asked.length).toBe(1);
});

test("commands come from a pipe, too", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const run = (input: string) =>
    spawnSync(process.execPath, ["--no-env-file", MAIN, "console", "--socket", socketOf(daemon)], {
      ...{ cwd: daemon.directory, encoding: "utf8", input, env: { PATH: process.env.PATH } },
    });
  const { status, stdout } = run("pause local\n\nstatus\n");
  expect([status, stdout]).toEqual([0, expect.stringMatching(/local: paused[\s\S]*local: paused by .*`resume local`/)]);
  expect(run("resume nowhere\n").status).toBe(3);
});

test("events and logs are followed, and the daemon stops all the same", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const env = { BARTENDER_CONSOLE_SOCKET: "console.sock" };
  await using events = spawnDaemon(daemon.directory, { args: ["console", "events", "-f"], logName: "events", env });
  const id = await daemon.submitOk("wait", FILES);
  await daemon.until(id, "running");
  await eventually("the event", () => /job 1 running on local/.test(events.output()));
  await using log = spawnDaemon(daemon.directory, { args: ["console", "logs", `${id}`, "-f"], logName: "log", env });
  await eventually("the log", () => log.output() === "hello\n");
  await using top = spawnDaemon(daemon.directory, { args: ["console", "top", "--json"], logName: "top", env });
  await eventually("a picture", () => top.output().endsWith("}\n"));
  expect(JSON.parse(top.output().split("\n")[0] ?? "")).toMatchObject({ status: { pid: daemon.pid }, jobs: [{ id }] });
  top.child.kill("SIGINT");
  expect(await top.ended()).toBe(0);
  letGo(daemon, id);
  expect(await log.ended()).toBe(0);
  const startedMs = performance.now();
  await daemon.stop();
  expect(performance.now() - startedMs).toBeLessThan(4_000);
  expect(await events.ended()).toBe(0);
});

test("the level of the log is changed while the daemon runs", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  expect(daemon.log()).not.toContain("Actor is starting");
  expect(await runConsole(daemon, "loglevel")).toMatchObject({ text: expect.stringMatching(/^info /) });
  await runConsole(daemon, "loglevel", "debug");
  await daemon.submitOk("fail", FILES);
  await eventually("lines of debug", () => daemon.log().includes("Actor is starting"));
  expect((await runConsole(daemon, "loglevel", "loud")).status).toBe(2);
});

test("a good configuration is taken over, a bad one refused with all its faults, and both are recorded", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const file = join(daemon.directory, "config.yaml");
  writeFileSync(file, CONFIG.replace("destinations:", "destinationz:"));
  const refused = await runConsole(daemon, "reload");
  expect(refused).toMatchObject({ status: 4, text: expect.stringMatching(/destinationz/) });
  writeFileSync(file, CONFIG.replace("exit 3", "exit 4"));
  expect((await runConsole(daemon, "reload")).status).toBe(0);
  const id = await daemon.submitOk("fail", FILES);
  expect(await daemon.until(id, "error")).toMatchObject({ returncode: 4 });
  expect((await runConsole(daemon, "events")).text).toMatch(
    /configuration reload by uid \d+, tester \(claimed\): refused\n[\s\S]*configuration reload by .*: taken over\n/,
  );
  expect((await runConsole(daemon, "audit")).text).toMatch(
    /reload +configuration +taken over\n.*reload +configuration +refused/,
  );
});
