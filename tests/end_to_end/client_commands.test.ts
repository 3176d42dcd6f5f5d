import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { spawnDaemon, startDaemon } from "../support/daemon_process.ts";

const CONFIG = `job_root_dir: jobs
applications:
  wc: { command_template: cat README.md sub/.hidden, upload_needs: [README.md] }
  greet:
    command_template: "echo hello {{ name|q }}"
    input_schema: { type: object, properties: { name: { type: string } }, required: [name] }
  slow: { command_template: 'echo started; while [ ! -e go ]; do sleep 0.05; done; echo ended' }
  fails: { command_template: 'echo wrong >&2; exit 3' }
`;

/** A daemon, a directory to submit, and the commands of the client as users call them. */
async function setup() {
  const daemon = await startDaemon({ config: CONFIG });
  const token = await daemon.token();
  const input = join(daemon.directory, "input");
  mkdirSync(join(input, "sub"), { recursive: true });
  writeFileSync(join(input, "README.md"), "one two\n");
  writeFileSync(join(input, "sub/.hidden"), "three\n");
  let count = 0;
  const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const settings = { BARTENDER_URL: daemon.url, BARTENDER_TOKEN: token, ...env };
    return spawnDaemon(daemon.directory, { logName: `client-${++count}.log`, env: settings, args });
  };
  const run = async (...args: readonly string[]) => {
    await using command = start(args);
    const status = await command.ended();
    return { status, output: command.output() };
  };
  const setEnd = (id: number) => writeFileSync(join(daemon.directory, "jobs", String(id), "go"), "");
  return { daemon, token, input, start, run, setEnd, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

describe("bartender submit", () => {
  test("packs a directory, submits it and prints the number of the job", async () => {
    await using it = await setup();
    expect(await it.run("submit", "input", "--application", "wc")).toEqual({ status: 0, output: "1\n" });
    await it.daemon.until(1, "ok");
    expect(await it.daemon.text("/api/job/1/stdout")).toBe("one two\nthree\n");
    expect(await it.daemon.job(1)).toMatchObject({ name: "input.zip" });
  });

  test("passes form values, also with equals signs and quotes in them", async () => {
    await using it = await setup();
    const { output } = await it.run("submit", "input", "--application", "greet", "--param", 'name=a=b "c"', "--wait");
    expect(output).toContain("Job 1: ok");
    expect(await it.daemon.text("/api/job/1/stdout")).toBe('hello a=b "c"\n');
  });

  test("waits for the end, and tells it by the exit status", async () => {
    await using it = await setup();
    expect(await it.run("submit", "input", "--application", "fails", "--wait")).toMatchObject({ status: 1 });
    await using command = it.start(["submit", "input", "--application", "slow", "--wait"]);
    while (!command.output().includes("Job 2: running")) await Bun.sleep(20);
    it.setEnd(2);
    expect(await command.ended()).toBe(0);
    expect(command.output()).toContain("Job 2: ok");
  });

  test("makes one job however often it is sent with one key", async () => {
    await using it = await setup();
    const args = ["submit", "input", "--application", "wc", "--idempotency-key", "mine"];
    expect([await it.run(...args), await it.run(...args)].map(({ output }) => output)).toEqual(["1\n", "1\n"]);
  });

  test("tries again while the daemon does not answer, and submits once", async () => {
    await using it = await setup();
    const { port } = new URL(it.daemon.url);
    await it.daemon.stop();
    await using command = it.start(["submit", "input", "--application", "wc"]);
    while (!command.output().includes("trying again")) await Bun.sleep(20);
    await using daemon = spawnDaemon(it.daemon.directory, { logName: "again.log", env: { BARTENDER_PORT: port } });
    expect(await command.ended()).toBe(0);
    expect(command.output()).toEndWith("\n1\n");
    daemon.child.kill("SIGTERM");
    await daemon.ended();
  });

  test("shows what the daemon refuses, and leaves out links that lead elsewhere", async () => {
    await using it = await setup();
    symlinkSync("/etc/passwd", join(it.input, "stolen"));
    const { status, output } = await it.run("submit", "input", "--application", "greet");
    expect(status).toBe(1);
    expect(output).toContain("stolen is left out");
    expect(output).toContain("name");
    expect((await it.run("submit", "nowhere", "--application", "wc")).output).toContain("nowhere cannot be packed");
  });

  test("needs a token, which may stand in a file, and never shows it", async () => {
    await using it = await setup();
    await using none = it.start(["jobs"], { BARTENDER_TOKEN: "" });
    expect(await none.ended()).toBe(1);
    expect(none.output()).toContain("A token is needed");
    writeFileSync(join(it.daemon.directory, "token"), `${it.token}\n`);
    await using filed = it.start(["jobs", "--token-file", "token"], { BARTENDER_TOKEN: "wrong" });
    expect(await filed.ended()).toBe(0);
    await using away = it.start(["jobs", "--url", "http://127.0.0.1:9", "--token-file", "nowhere"]);
    expect(await away.ended()).toBe(1);
    expect(away.output()).not.toContain(it.token);
  });
});

describe("bartender jobs, logs, cancel and download", () => {
  test("list the jobs of the caller as a table or as JSON", async () => {
    await using it = await setup();
    await it.run("submit", "input", "--application", "wc", "--wait");
    await it.run("submit", "input", "--application", "fails", "--wait");
    const { output } = await it.run("jobs");
    expect(output).toMatch(
      /^ID +STATE +APPLICATION +UPDATED \(UTC\) +NAME\n2 +error +fails .*\n1 +ok +wc .* input\.zip\n$/,
    );
    expect(JSON.parse((await it.run("jobs", "--json", "--state", "ok")).output)).toMatchObject([{ id: 1 }]);
  });

  test("follow the log of a job to its end", async () => {
    await using it = await setup();
    await it.run("submit", "input", "--application", "slow");
    await using command = it.start(["logs", "1", "-f"]);
    while (!command.output().includes("started")) await Bun.sleep(20);
    it.setEnd(1);
    expect(await command.ended()).toBe(0);
    expect(command.output()).toBe("started\nended\n");
    expect((await it.run("logs", "9")).status).toBe(1);
  });

  test("end a job that runs, and no other one", async () => {
    await using it = await setup();
    await it.run("submit", "input", "--application", "slow");
    await it.daemon.until(1, "running");
    expect(await it.run("cancel", "1")).toEqual({ status: 0, output: "" });
    await it.daemon.until(1, "error");
    expect(await it.daemon.text("/api/job/1/stderr")).toContain("Cancelled by ");
    expect(await it.run("cancel", "1")).toMatchObject({ status: 1, output: expect.stringMatching(/^bartender: ./) });
    expect((await it.run("cancel", "9")).status).toBe(1);
  });

  test("save the files of a job whole, and replace nothing unasked", async () => {
    await using it = await setup();
    await it.run("submit", "input", "--application", "wc", "--wait");
    const path = join(it.daemon.directory, "job-1.zip");
    expect(await it.run("download", "1")).toEqual({ status: 0, output: `${path}\n` });
    const names = Object.keys(unzipSync(readFileSync(path)));
    expect(names).toContain("stdout.txt");
    expect(names).toContain("sub/.hidden");
    expect((await it.run("download", "1")).output).toContain("exists already");
    expect((await it.run("download", "1", "--output", "out.tar.gz")).status).toBe(0);
    expect((await it.run("download", "1", "--output", "out.rar")).status).toBe(1);
  });
});
