import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../../adapters/command_runner/local.ts";
import { commandEnvironment } from "../../../adapters/scheduler/command_environment.ts";
import { memoryScheduler } from "../../../adapters/scheduler/memory.ts";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import { probeSandbox } from "../../../adapters/scheduler/sandbox.ts";
import { SchedulerRefusedError } from "../../../src/core/errors.ts";
import { shellQuote } from "../../../src/core/shell_quote.ts";
import { freshTag, jobIn, run, signal } from "../../conformance/scheduler_world.ts";
import { documentedSandbox } from "../../support/documented_sandbox.ts";
import { eventually } from "../../support/eventually.ts";
import { openLocalWorld } from "../../support/local_world.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

function open(sandbox: (root: string, jobs: string) => readonly string[]) {
  return openLocalWorld((options) => {
    const root = dirname(dirname(options.controlDir));
    // As `makeDirectory()` has it.
    const jobs = join(root, `jobs of "O'Neil"\n$HOME ü`);
    for (const name of ["etc", "run", "tmp"]) mkdirSync(join(root, name), { recursive: true });
    return memoryScheduler({ ...options, slots: 2, sandbox: sandbox(root, jobs) });
  });
}

/** Nothing of the world is hidden by its place below /tmp. */
const openDocumented = () =>
  open((root, jobs) =>
    documentedSandbox({
      "/tmp": `${root}/tmp`,
      "/run/bartender": `${root}/run`,
      "/etc/bartender": `${root}/etc`,
      "/var/lib/bartender": `${root}/.bartender`,
      "/srv/bartender/jobs": jobs,
    }),
  );

describe.skipIf(!existsSync("/usr/bin/bwrap"))("a command in the sandbox of the documentation", () => {
  test("writes into its own directory, and sees neither other jobs nor the files and processes of the daemon", async () => {
    await using world = openDocumented();
    const other = await world.makeDirectory();
    const secrets = [join(other, "secret.txt"), join(world.root, "etc/config.yaml")];
    for (const path of secrets) writeFileSync(path, "secret");
    const hidden = [...secrets, join(world.root, ".bartender/attempts"), `/proc/${process.pid}/environ`];
    const { directory, outcome, returnCode } = await run(
      world,
      `for path in ${hidden.map(shellQuote).join(" ")}; do [ ! -e "$path" ] || echo "sees $path"; done
      touch ${shellQuote(join(world.root, "written"))} 2>/dev/null || echo read-only
      ls -A ..; echo "$TMPDIR"; touch "$TMPDIR/mine"; echo mine >own.txt; echo told >&2; exit 3`,
    );
    expect(await world.read(directory, "stdout.txt")).toBe(`read-only\n2\n${world.root}/tmp\n`);
    expect(await world.read(directory, "stderr.txt")).toBe("told\n");
    expect(await world.read(directory, "own.txt")).toBe("mine\n");
    expect([outcome.returnCode, returnCode]).toEqual([3, "3"]);
    expect(existsSync(join(world.root, "tmp/mine"))).toBe(false);
  });

  test("is ended with all its processes, and has the time to clean up", async () => {
    await using world = openDocumented();
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const command =
      "trap 'echo bye >bye.txt; exit 0' TERM; setsid sleep 300 & echo >started; while :; do sleep 0.02; done";
    const id = await world.scheduler.submit(jobIn(directory, command), tag, signal);
    await eventually("the command", () => existsSync(join(directory, "started")));
    const living = () => processTable().living(undefined, false, tag);
    expect(living().length).toBeGreaterThan(2);
    await world.scheduler.cancel(id, signal);
    expect(living()).toEqual([]);
    expect(await world.read(directory, "bye.txt")).toBe("bye\n");
  });

  test("runs on without its daemon, and the next one learns how it ended", async () => {
    await using world = openDocumented();
    const directory = await world.makeDirectory();
    const command = "echo >started; until [ -e go ]; do sleep 0.02; done; exit 5";
    const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    await eventually("the command", () => existsSync(join(directory, "started")));
    const next = await world.reopen();
    expect((await next.statuses([id], signal)).get(id)).toEqual({ type: "running" });
    await world.write(directory, "go", "");
    const end = await eventually("the end", async () => {
      const status = (await next.statuses([id], signal)).get(id);
      return status?.type === "ended" && status.outcome;
    });
    expect(end).toMatchObject({ isOk: false, returnCode: 5 });
  });
});

describe("probeSandbox()", () => {
  const probe = (sandbox: readonly string[]) => {
    const runner = localCommandRunner({ clock: systemClock(), logger: recordingLogger() });
    return probeSandbox(sandbox, runner, commandEnvironment(process.env, []), signal);
  };

  test.skipIf(!existsSync("/usr/bin/bwrap"))("finds the sandbox of the documentation good", async () => {
    using dir = tempDir();
    const paths = ["/etc/bartender", "/var/lib/bartender", "/run/bartender", "/srv/bartender/jobs"];
    const sandbox = documentedSandbox(Object.fromEntries(paths.map((path) => [path, dir.path])));
    expect(await probe(sandbox)).toEqual({ isOk: true, text: "Commands can be run by bwrap" });
  });

  test.each([
    ["that is not installed", ["no-such-sandbox"], "sandbox: The command could not be started"],
    ["that fails", ["sh", "-c", "echo no room >&2; exit 3"], "sandbox: sh ended with 3: no room"],
    ["that runs nothing", ["true"], "sandbox: true ended with 0: it said nothing"],
    ["that hides the directory", ["env", "--chdir=/", "--"], "sandbox: env ended with 1: it said nothing"],
  ])("finds one %s", async (_what, sandbox, text) => {
    expect(await probe(sandbox)).toEqual({ isOk: false, text: expect.stringContaining(text) });
  });
});

describe("a sandbox", () => {
  test("that is not installed ends the job with the reason, and nothing runs without it", async () => {
    await using world = open(() => ["no-such-sandbox", "--"]);
    const { directory, outcome } = await run(world, "echo ran >ran.txt");
    expect(outcome).toMatchObject({ isOk: false, returnCode: 127 });
    expect(await world.read(directory, "stderr.txt")).toContain("no-such-sandbox");
    expect(await world.read(directory, "ran.txt")).toBeUndefined();
  });

  test("takes no command that is too long for an argument", async () => {
    await using world = open(() => ["env"]);
    const directory = await world.makeDirectory();
    const submitted = world.scheduler.submit(jobIn(directory, `: ${"x".repeat(100_000)}`), freshTag(), signal);
    await expect(submitted).rejects.toBeInstanceOf(SchedulerRefusedError);
  });
});
