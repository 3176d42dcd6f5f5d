import { describe, expect, test } from "bun:test";
import { CommandStartError } from "../../src/core/errors.ts";
import type { CommandDescription, CommandRunner } from "../../src/ports/command_runner.ts";
import { eventually } from "../support/eventually.ts";

/** A place to run commands, and a look at what they leave. */
export interface CommandRunnerWorld extends AsyncDisposable {
  readonly runner: CommandRunner;
  /** A working directory of its own on the machine that runs the commands. */
  readonly cwd: string;
  /** Names of environment variables that a log-in gives to every command there; none on this machine. */
  readonly accountVariables: readonly string[];
  /** True when a process with this number lives on that machine. */
  isAlive(pid: number): boolean | Promise<boolean>;
  /** Content of a file in the working directory; undefined when it is not there. */
  read(name: string): Promise<string | undefined>;
}

/** Every promise of the port {@link CommandRunner}. */
export function commandRunnerSuite(name: string, open: () => Promise<CommandRunnerWorld>): void {
  const shellCommand = (world: CommandRunnerWorld, line: string): CommandDescription => ({
    program: "/bin/sh",
    args: ["-c", line],
    cwd: world.cwd,
    environment: { PATH: "/usr/bin:/bin" },
    timeoutMs: 30_000,
    maxOutputBytes: 100_000,
  });
  const run = (
    world: CommandRunnerWorld,
    line: string,
    changes: Partial<CommandDescription> = {},
    signal = new AbortController().signal,
  ) => world.runner.run({ ...shellCommand(world, line), ...changes }, signal);
  const pidIn = (world: CommandRunnerWorld, file: string) =>
    eventually(`a process number in ${file}`, async () => Number(await world.read(file)) || undefined);

  describe(`command runner ${name}`, () => {
    test("run() answers with exit status and both outputs", async () => {
      await using world = await open();
      expect(await run(world, "echo out; echo err >&2; exit 3")).toEqual({
        returnCode: 3,
        isTimedOut: false,
        stdout: { text: "out\n", isTruncated: false },
        stderr: { text: "err\n", isTruncated: false },
      });
    });

    test("run() hands arguments on as they are", async () => {
      await using world = await open();
      const args = ["%s|", "a b", "$HOME", "'\"`\\", "", "-n", "ü\n", "*", "!x !! hi!"];
      const { stdout } = await run(world, "", { program: "printf", args });
      expect(stdout.text).toBe("a b|$HOME|'\"`\\||-n|ü\n|*|!x !! hi!|");
    });

    test("run() answers with the negative signal that ended the command", async () => {
      await using world = await open();
      expect((await run(world, "kill -9 $$")).returnCode).toBe(-9);
    });

    test("run() gives the command its working directory", async () => {
      await using world = await open();
      await run(world, "echo here > made.txt");
      expect(await world.read("made.txt")).toBe("here\n");
    });

    test("run() gives the command the environment asked for beside the account's own, and nothing of the daemon's", async () => {
      await using world = await open();
      process.env.BARTENDER_TEST_SECRET = "secret";
      const { stdout } = await run(world, "env", { environment: { PATH: "/usr/bin:/bin", X: "it's\n1" } });
      delete process.env.BARTENDER_TEST_SECRET;
      expect(`\n${stdout.text}`).toContain("\nX=it's\n1\n");
      expect(stdout.text).not.toContain("secret");
      // The shell sets the first ones itself; the mark finds the processes again.
      const own = ["OLDPWD", "PWD", "SHLVL", "_", "BARTENDER_ATTEMPT", ...world.accountVariables];
      const names = stdout.text.split("\n").flatMap((line) => (line.includes("=") ? [line.split("=", 1)[0]] : []));
      expect(names.filter((name = "") => !own.includes(name)).sort()).toEqual(["PATH", "X"]);
    });

    test("run() looks a program up in the path asked for", async () => {
      await using world = await open();
      await run(world, "printf '#!/bin/sh\\necho mine\\n' > squeue && chmod 755 squeue");
      const environment = { PATH: `${world.cwd}:/usr/bin:/bin` };
      expect(await run(world, "", { program: "squeue", args: [], environment })).toMatchObject({
        returnCode: 0,
        stdout: { text: "mine\n" },
      });
    });

    test("run() needs no working directory", async () => {
      await using world = await open();
      const { cwd: _, ...description } = shellCommand(world, "pwd");
      const { stdout } = await world.runner.run(description, new AbortController().signal);
      expect(stdout.text).toStartWith("/");
    });

    test("run() feeds the command its input, and an empty one when there is none", async () => {
      await using world = await open();
      const stdin = "zeile ü\n".repeat(50_000);
      expect((await run(world, "wc -c", { stdin })).stdout.text.trim()).toBe(String(Buffer.byteLength(stdin)));
      expect((await run(world, "wc -c")).stdout.text.trim()).toBe("0");
    });

    test("run() takes no offence at a command that does not read its input", async () => {
      await using world = await open();
      const result = await run(world, "exec 0<&-; echo done", { stdin: "x".repeat(1_000_000) });
      expect(result).toMatchObject({ returnCode: 0, stdout: { text: "done\n" } });
    });

    test("run() replaces bytes that are not UTF-8", async () => {
      await using world = await open();
      expect((await run(world, "printf 'a\\377b\\303'")).stdout.text).toBe("a\uFFFDb\uFFFD");
    });

    test("run() keeps the start of an output that is too long, without half a character, and says so", async () => {
      await using world = await open();
      const { returnCode, stdout, stderr } = await run(world, "printf 'aüüü'; printf 1234 >&2", { maxOutputBytes: 4 });
      expect({ returnCode, stdout, stderr }).toEqual({
        returnCode: 0,
        stdout: { text: "aü", isTruncated: true },
        stderr: { text: "1234", isTruncated: false },
      });
    });

    test("run() reads an endless output to the time limit without keeping it", async () => {
      await using world = await open();
      const result = await run(world, "yes", { timeoutMs: 300, maxOutputBytes: 10 });
      expect(result).toMatchObject({ isTimedOut: true, stdout: { text: "y\ny\ny\ny\ny\n", isTruncated: true } });
    });

    test("run() ends a command whose time is over, with all its processes, and keeps what it wrote", async () => {
      await using world = await open();
      const line = "echo begun; sleep 300 & echo $! > child; setsid sleep 301 & echo $! > other; sleep 302";
      const result = await run(world, line, { timeoutMs: 500 });
      expect(result).toMatchObject({ isTimedOut: true, returnCode: -15, stdout: { text: "begun\n" } });
      expect(await world.isAlive(await pidIn(world, "child"))).toBe(false);
      expect(await world.isAlive(await pidIn(world, "other"))).toBe(false);
    });

    test("run() ends a command that does not listen to SIGTERM", async () => {
      await using world = await open();
      const result = await run(world, "trap '' TERM; echo $$ > self; while :; do sleep 300; done", { timeoutMs: 300 });
      expect(result).toMatchObject({ isTimedOut: true, returnCode: -9 });
      expect(await world.isAlive(await pidIn(world, "self"))).toBe(false);
    });

    test("run() does not wait for what the command leaves in the background, but ends it", async () => {
      await using world = await open();
      const result = await run(world, "sleep 300 & echo $! > child; echo done");
      expect(result).toMatchObject({ returnCode: 0, isTimedOut: false, stdout: { text: "done\n" } });
      expect(await world.isAlive(await pidIn(world, "child"))).toBe(false);
    });

    test("run() does not wait for what holds the outputs of a program that was to leave nothing, but ends it", async () => {
      await using world = await open();
      const result = await run(world, "sleep 300 & echo $! > child; echo done", { leavesNothing: true });
      expect(result).toMatchObject({ returnCode: 0, isTimedOut: false, stdout: { text: "done\n" } });
      expect(await world.isAlive(await pidIn(world, "child"))).toBe(false);
    });

    test("run() ends a program that was to leave nothing with all its processes when its time is over", async () => {
      await using world = await open();
      const line = "setsid sleep 301 & echo $! > other; sleep 302";
      const result = await run(world, line, { timeoutMs: 500, leavesNothing: true });
      expect(result).toMatchObject({ isTimedOut: true, returnCode: -15 });
      expect(await world.isAlive(await pidIn(world, "other"))).toBe(false);
    });

    test("run() ends the command when the signal comes, and rejects with its reason", async () => {
      await using world = await open();
      const abort = new AbortController();
      const reason = new Error("The client has left");
      const result = run(world, "echo $$ > self; sleep 300", {}, abort.signal).catch((error: unknown) => error);
      const pid = await pidIn(world, "self");
      abort.abort(reason);
      expect(await result).toBe(reason);
      expect(await world.isAlive(pid)).toBe(false);
    });

    test("run() starts nothing after the signal", async () => {
      await using world = await open();
      const reason = new Error("The client has left");
      const result = run(world, "echo > made.txt", {}, AbortSignal.abort(reason)).catch((error: unknown) => error);
      expect(await result).toBe(reason);
      expect(await world.read("made.txt")).toBeUndefined();
    });

    test("run() rejects when the program or the working directory is not there", async () => {
      await using world = await open();
      const faults = [
        await run(world, "", { program: "/nowhere/program" }).catch((error: unknown) => error),
        await run(world, "true", { cwd: `${world.cwd}/nowhere` }).catch((error: unknown) => error),
      ];
      for (const fault of faults) {
        expect(fault).toBeInstanceOf(CommandStartError);
        expect(fault).toHaveProperty("retryable", false);
      }
    });
  });
}
