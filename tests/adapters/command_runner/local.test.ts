import { expect, spyOn, test } from "bun:test";
import { ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../../adapters/command_runner/local.ts";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import { OutcomeUnknownError } from "../../../src/core/errors.ts";
import { type CommandRunnerWorld, commandRunnerSuite } from "../../conformance/command_runner_suite.ts";
import { eventually } from "../../support/eventually.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

const table = processTable();

async function open(): Promise<CommandRunnerWorld> {
  const directory = tempDir();
  return {
    runner: localCommandRunner({ clock: systemClock(), logger: recordingLogger(), killGraceMs: 300 }),
    cwd: directory.path,
    accountVariables: [],
    isAlive: (pid) => table.read(pid) !== undefined,
    async read(name) {
      const path = join(directory.path, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    [Symbol.asyncDispose]: async () => directory[Symbol.dispose](),
  };
}

commandRunnerSuite("local", open);

test("outputs that are held by a process which cannot be found are given up, as nobody knows what is missing", async () => {
  using directory = tempDir();
  const runner = localCommandRunner({ clock: systemClock(), logger: recordingLogger(), lastOutputMs: 100 });
  // Without the environment, the session and the parent that would tell whose it is.
  const script = "(setsid env -i /bin/sleep 300 & echo $! >pid); echo said";
  const command = {
    program: "/bin/sh",
    args: ["-c", script],
    cwd: directory.path,
    environment: { PATH: "/usr/bin:/bin" },
  };
  const { signal } = new AbortController();
  const running = runner.run({ ...command, timeoutMs: 20_000, maxOutputBytes: 1_000, leavesNothing: true }, signal);
  await expect(running).rejects.toBeInstanceOf(OutcomeUnknownError);
  process.kill(Number(readFileSync(join(directory.path, "pid"), "utf8")), "SIGKILL");
});

test("of a command whose end the runtime never tells nobody knows how it ended", async () => {
  const runner = localCommandRunner({ clock: systemClock(), logger: recordingLogger(), lastOutputMs: 100 });
  const emit = ChildProcess.prototype.emit;
  const swallowed = new Set<unknown>();
  const deaf = spyOn(ChildProcess.prototype, "emit").mockImplementation(function (
    this: ChildProcess,
    ...news: Parameters<typeof emit>
  ) {
    if (news[0] !== "exit" && news[0] !== "close") return emit.apply(this, news);
    swallowed.add(news[0]);
    return false;
  });
  const command = { program: "/bin/echo", args: ["said"], environment: {}, timeoutMs: 300, maxOutputBytes: 1_000 };
  const running = runner.run(command, new AbortController().signal);
  await eventually("its end", () => swallowed.size === 2).finally(() => deaf.mockRestore());
  await expect(running).rejects.toBeInstanceOf(OutcomeUnknownError);
});
