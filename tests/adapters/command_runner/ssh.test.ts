import { afterAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import { CommandStartError, OutcomeUnknownError } from "../../../src/core/errors.ts";
import { commandRunnerSuite } from "../../conformance/command_runner_suite.ts";
import { eventually } from "../../support/eventually.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { sshAccount } from "../../support/ssh_server.ts";
import { type SshRunnerWorld, sshRunnerWorld } from "./ssh_runner_world.ts";

const table = processTable();
const signal = new AbortController().signal;
const account = sshAccount();
afterAll(() => account[Symbol.dispose]());

const open = (settings: readonly string[] = []): Promise<SshRunnerWorld> => sshRunnerWorld(account, settings);

commandRunnerSuite("ssh", () => sshRunnerWorld(account, [], true));

test("a command whose link is lost has an unknown outcome, and the next one runs over a new link", async () => {
  await using world = await open();
  const running = rejectionOf(world.runner.run(world.command("echo > begun; sleep 300"), signal));
  await eventually("the command to run", () => world.read("begun"));
  world.server.killSessions();
  const fault = await running;
  expect(fault).toBeInstanceOf(OutcomeUnknownError);
  expect(fault).toMatchObject({ retryable: true });
  await eventually("a new link", async () => {
    const result = await world.runner.run(world.command("echo again"), signal).catch(() => undefined);
    return result?.stdout.text === "again\n";
  });
});

test("a command whose link was lost ends by itself when its time is over", async () => {
  await using world = await open();
  const command = world.command("trap '' HUP PIPE; echo $$ > self; while :; do sleep 1; done", { timeoutMs: 1_000 });
  const running = rejectionOf(world.runner.run(command, signal));
  const pid = Number(await eventually("the command to run", () => world.read("self")));
  world.server.killLinks();
  expect(await running).toBeInstanceOf(OutcomeUnknownError);
  expect(table.read(pid)).toBeDefined();
  await eventually("the command to end", () => table.read(pid) === undefined);
});

test("a frozen host is noticed, and the outcome of its command is unknown", async () => {
  await using world = await open();
  const running = rejectionOf(world.runner.run(world.command("echo > begun; sleep 300"), signal));
  await eventually("the command to run", () => world.read("begun"));
  world.server.freeze();
  expect(await running).toBeInstanceOf(OutcomeUnknownError);
  world.server.thaw();
});

test("a host that is down means that the command was not started, and may be tried again", async () => {
  await using world = await open();
  await world.server.kill();
  const fault = await rejectionOf(world.runner.run(world.command("true"), signal));
  expect(fault).toBeInstanceOf(CommandStartError);
  expect(fault).toMatchObject({ retryable: true });
  await world.server.start();
  await eventually("the host to be reached again", async () => {
    const result = await world.runner.run(world.command("echo back"), signal).catch(() => undefined);
    return result?.stdout.text === "back\n";
  });
});

test("more commands than the host allows sessions wait for each other", async () => {
  for (const sessions of [1, 2]) {
    await using world = await open([`MaxSessions ${sessions}`]);
    const numbers = Array.from({ length: 12 }, (_, index) => index);
    const results = await Promise.all(
      numbers.map((n) => world.runner.run(world.command(`sleep 0.05; echo ${n}`), signal)),
    );
    expect(results.map(({ stdout }) => stdout.text)).toEqual(numbers.map((n) => `${n}\n`));
  }
});

test("a command is ended also on a host that allows one session only", async () => {
  await using world = await open(["MaxSessions 1"]);
  const line = "echo $$ > self; trap '' TERM; while :; do sleep 300; done";
  const result = await world.runner.run(world.command(line, { timeoutMs: 400 }), signal);
  expect(result).toMatchObject({ isTimedOut: true, returnCode: -9 });
  expect(await world.isAlive(Number(await world.read("self")))).toBe(false);
});

test.skipIf(process.getuid?.() !== 0)(
  "what the start files of the login shell print is not taken for output",
  async () => {
    await using world = await open();
    const start = join(account.home, ".bashrc");
    const before = existsSync(start) ? readFileSync(start) : "";
    writeFileSync(start, "echo Welcome; printf 'no newline'; echo warning >&2\n");
    const result = await world.runner.run(world.command("echo out"), signal);
    writeFileSync(start, before);
    expect(result.stdout.text).toBe("out\n");
  },
);

test("an account without a shell cannot run commands, and says so", async () => {
  await using world = await open(["ForceCommand /bin/false"]);
  const fault = await rejectionOf(world.runner.run(world.command("true"), signal));
  expect(fault).toBeInstanceOf(CommandStartError);
  expect(fault).toMatchObject({ retryable: false });
  expect(String(fault)).toContain("the login shell of the account ended before it");
});
