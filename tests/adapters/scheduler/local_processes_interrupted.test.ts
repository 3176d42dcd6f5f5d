import { expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { idOfAttempt } from "../../../adapters/scheduler/attempt_id.ts";
import { memoryScheduler } from "../../../adapters/scheduler/memory.ts";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import { runArguments } from "../../../adapters/scheduler/run_script.ts";
import { SchedulerUnavailableError } from "../../../src/core/errors.ts";
import type { AttemptTag } from "../../../src/core/ids.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import {
  freshTag,
  jobIn,
  pidsIn,
  run,
  STUBBORN,
  signal,
  untilEnded,
  WAITS_FOR_GO,
} from "../../conformance/scheduler_world.ts";
import { eventually } from "../../support/eventually.ts";
import { type LocalWorld, openLocalWorld } from "../../support/local_world.ts";

// Real processes on a busy machine.
setDefaultTimeout(30_000);

const open = () => openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 }));
const table = processTable();

/** Starts a daemon of its own that submits one job. */
function startDaemon(world: LocalWorld, directory: string, tag: AttemptTag, command: string): ChildProcess {
  const program = resolve(import.meta.dir, "../../support/scheduler_process.ts");
  return spawn(process.execPath, [program, world.options.controlDir, directory, tag, command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function kill(daemon: ChildProcess): Promise<void> {
  daemon.kill("SIGKILL");
  await once(daemon, "exit");
}

/** The process that runs the script of an attempt. */
function scriptOf(world: LocalWorld, tag: AttemptTag): Promise<number> {
  return eventually("the record", () => {
    const pid = Number.parseInt(readFileSync(join(world.options.controlDir, tag), "utf8"), 10);
    return pid > 0 && pid;
  });
}

test("a command outlives a daemon that is killed, and the next one learns its return code", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const daemon = startDaemon(world, directory, tag, `${WAITS_FOR_GO}; echo done; exit 42`);
  const [pid = 0] = await pidsIn(world, directory, "pids");
  await kill(daemon);
  expect(await world.isAlive(pid)).toBe(true);

  const id = await world.scheduler.find(tag, signal);
  if (id === undefined) {
    throw new Error("the job was not found");
  }
  expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  await world.write(directory, "go", "");
  expect(await untilEnded(world.scheduler, id)).toEqual({ isOk: false, returnCode: 42, reason: null });
  expect(await world.read(directory, "stdout.txt")).toBe("done\n");
  expect(await world.read(directory, "returncode")).toBe("42");
});

test("a command that ends while no daemon is there leaves its return code", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const daemon = startDaemon(world, directory, tag, `${WAITS_FOR_GO}; kill -9 $$`);
  await pidsIn(world, directory, "pids");
  await kill(daemon);
  await world.write(directory, "go", "");
  await eventually("the return code", async () => (await world.read(directory, "returncode")) === "-9");
  const id = (await world.scheduler.find(tag, signal)) ?? expect.unreachable();
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: -9 });
});

test("a daemon killed at any moment around a submission leads to exactly one run", async () => {
  const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  let state = seed;
  const random = (): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
  await using world = open();
  for (let round = 0; round < 12; round++) {
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const job = jobIn(directory, "echo once >>ledger; sleep 0.05");
    const daemon = startDaemon(world, directory, tag, job.command);
    if (daemon.stdout !== null) {
      await once(daemon.stdout, "data");
    }
    const delayMs = random() * 6;
    await new Promise((done) => setTimeout(done, delayMs));
    await kill(daemon);
    const id = (await world.scheduler.find(tag, signal)) ?? (await world.scheduler.submit(job, tag, signal));
    expect(await untilEnded(world.scheduler, id), `TEST_SEED=${seed}`).toMatchObject({ isOk: true });
    expect(await world.read(directory, "ledger"), `TEST_SEED=${seed}`).toBe("once\n");
  }
});

test("a script that was started but has no record yet is found", async () => {
  await using world = open();
  const tag = freshTag();
  const script = spawn("/bin/sleep", ["60"], { stdio: "ignore", env: { BARTENDER_ATTEMPT: tag } });
  const gone = once(script, "exit");
  await eventually("the mark", () => table.isMarked(script.pid ?? 0, tag));
  const id = (await world.scheduler.find(tag, signal)) ?? expect.unreachable();
  await world.scheduler.cancel(id, signal);
  await gone;
  expect(await world.scheduler.find(tag, signal)).toBeUndefined();
});

test("a restart of the machine interrupts what had not ended, and keeps what had", async () => {
  await using world = open();
  const ended = await run(world, "exit 7");
  const directory = await world.makeDirectory();
  const running = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), freshTag(), signal);
  await pidsIn(world, directory, "pids");
  const next = memoryScheduler({ ...world.options, slots: 1, table: { ...table, bootId: "anotherboot" } });
  const unsaved = idOfAttempt(freshTag(), table.bootId);
  const statuses = await next.statuses([ended.id, running, unsaved], signal);
  expect(statuses.get(ended.id)).toEqual({ type: "ended", outcome: ended.outcome });
  for (const id of [running, unsaved]) {
    expect(statuses.get(id)).toEqual({
      type: "ended",
      outcome: { isOk: false, returnCode: null, reason: "The command was interrupted: the machine was restarted" },
      isInterrupted: true,
    });
  }
  await next.close();
  await world.scheduler.cancel(running, signal);
});

test.each([
  ["interrupted", "when the shutdown ended it by SIGTERM", { returnCode: -15 }, true],
  ["interrupted", "when the shutdown ended it by SIGKILL", { returnCode: -9 }, true],
  ["ended", "when it ended by itself before", { returnCode: 0 }, false],
  ["ended", "when it was ended on purpose before", { returnCode: -15, reason: "Timed out after 5 s" }, false],
  ["ended", "when it was being ended on purpose", { reason: "Timed out after 5 s" }, false],
])("a command of an earlier boot counts as %s %s", async (_, _when, facts, isInterrupted) => {
  await using world = open();
  const tag = freshTag();
  const head = JSON.stringify({ boot: "earlier", directory: await world.makeDirectory() });
  writeFileSync(join(world.options.controlDir, tag), `1 ${head}\n${JSON.stringify(facts)}\n`);
  const id = (await world.scheduler.find(tag, signal)) ?? expect.unreachable();
  const status = (await world.scheduler.statuses([id], signal)).get(id) ?? expect.unreachable();
  expect(status.type === "ended" && status.isInterrupted === true).toBe(isInterrupted);
});

test("a stranger that got the number of the process is neither taken for the job nor ended", async () => {
  await using world = open();
  const tag = freshTag();
  const stranger = spawn("/bin/sleep", ["60"], { stdio: "ignore", detached: true });
  const gone = once(stranger, "exit");
  const head = JSON.stringify({ boot: table.bootId, directory: await world.makeDirectory() });
  writeFileSync(join(world.options.controlDir, tag), `${stranger.pid} ${head}\n`);
  const id = (await world.scheduler.find(tag, signal)) ?? expect.unreachable();
  expect(await untilEnded(world.scheduler, id)).toEqual({
    isOk: false,
    returnCode: null,
    reason: "The command was interrupted: its process is gone and left no return code",
  });
  await world.scheduler.cancel(id, signal);
  expect(await world.isAlive(stranger.pid ?? 0)).toBe(true);
  stranger.kill("SIGKILL");
  await gone;
});

test("a stranger that gets the number while the job is watched does not keep it running", async () => {
  let taken: number | undefined;
  const stranger = table.read(process.pid) ?? expect.unreachable();
  const read = (pid: number) => (pid === taken ? { ...stranger, pid } : table.read(pid));
  await using world = openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 }), {
    table: { ...table, read },
  });
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const id = await world.scheduler.submit(jobIn(directory, `${WAITS_FOR_GO}; exit 42`), tag, signal);
  await pidsIn(world, directory, "pids");
  const next = await world.reopen();
  expect((await next.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  const script = await scriptOf(world, tag);
  await world.write(directory, "go", "");
  await eventually("the end of the script", () => table.read(script) === undefined);
  taken = script;
  expect(await untilEnded(next, id)).toMatchObject({ returnCode: 42 });
});

test.each([
  ["that ended", `${WAITS_FOR_GO}; exit 7`, { returnCode: 7 }, false],
  ["that was killed with all the others", "echo $$ >>pids; sleep 300", { returnCode: null }, true],
])("a script %s has ended although nobody collects it", async (_, command, outcome, isKilled) => {
  await using world = open();
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const head = JSON.stringify({ boot: table.bootId, directory });
  const script = runArguments(join(world.options.controlDir, tag), head, command, undefined, undefined, []);
  // As an init that never waits: the shell becomes a program that does not know of its children.
  const text = 'BARTENDER_ATTEMPT=$0 setsid /bin/sh "$@" & exec sleep 300';
  const parent = spawn("/bin/sh", ["-c", text, tag, ...script], { cwd: directory, stdio: "ignore" });
  const [pid = 0] = await pidsIn(world, directory, "pids");
  const id = (await world.scheduler.find(tag, signal)) ?? expect.unreachable();
  expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  await world.scheduler.close();
  const number = await scriptOf(world, tag);
  if (isKilled) process.kill(-number, "SIGKILL");
  else await world.write(directory, "go", "");
  await eventually("a zombie", () => readFileSync(`/proc/${number}/stat`, "utf8").includes(") Z "));
  const next = await world.reopen();
  expect(await untilEnded(next, id)).toMatchObject(outcome);
  expect(table.read(pid)).toBeUndefined();
  const gone = once(parent, "exit");
  parent.kill("SIGKILL");
  await gone;
});

test("a job without a record runs as long as its process does, and then counts as interrupted", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const id = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), tag, signal);
  await pidsIn(world, directory, "pids");
  rmSync(join(world.options.controlDir, tag));
  const next = await world.reopen();
  expect((await next.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  await world.write(directory, "go", "");
  expect(await untilEnded(next, id)).toMatchObject({ isOk: false, returnCode: null });
});

test("nothing is concluded while the directory of records is gone", async () => {
  await using world = open();
  const { id } = await run(world, "true");
  rmSync(world.options.controlDir, { recursive: true });
  await expect(world.scheduler.statuses([id], signal)).rejects.toBeInstanceOf(SchedulerUnavailableError);
});

test.each(["", "47", '4711 {"boot":"x","dir'])("a record that was cut off to %p is an interruption", async (text) => {
  await using world = open();
  const tag = freshTag();
  writeFileSync(join(world.options.controlDir, tag), text);
  const id = (await world.scheduler.find(tag, signal)) ?? expect.unreachable();
  const outcome = await untilEnded(world.scheduler, id);
  expect(outcome).toMatchObject({ isOk: false, returnCode: null });
  expect(outcome.reason).toContain("interrupted");
  await world.scheduler.cancel(id, signal);
});

test("when the script alone is killed, the command is ended, too", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const id = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), tag, signal);
  const [pid = 0] = await pidsIn(world, directory, "pids");
  process.kill(await scriptOf(world, tag), "SIGKILL");
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: -9 });
  expect(await world.isAlive(pid)).toBe(false);
  expect(await world.read(directory, "returncode")).toBe("-9");
  expect(await untilEnded(await world.reopen(), id)).toMatchObject({ returnCode: -9 });
});

test("when the script was killed while no daemon was there, the command is ended before its end is told", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const tag = freshTag();
  const daemon = startDaemon(world, directory, tag, STUBBORN);
  const pids = await pidsIn(world, directory, "pids", 2);
  const script = await scriptOf(world, tag);
  await kill(daemon);
  process.kill(script, "SIGKILL");
  await eventually("the end of the script", async () => !(await world.isAlive(script)));
  const id = (await world.scheduler.find(tag, signal)) ?? expect.unreachable();
  expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  const told: SchedulerStatus[] = [];
  world.scheduler.listen?.((_, status) => told.push(status));
  const outcome = await untilEnded(world.scheduler, id);
  for (const pid of pids) {
    expect(await world.isAlive(pid)).toBe(false);
  }
  expect(outcome).toMatchObject({ isOk: false, returnCode: null });
  expect(outcome.reason).toContain("interrupted");
  expect(told).toEqual([{ type: "ended", outcome, isInterrupted: true }]);
});

test("cancel() ends stopped processes, and those that left group, session and environment", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const command = `setsid env -i sh -c 'echo $$ >>pids; exec sleep 300' &
    setsid -f sh -c 'trap "" TERM; echo $$ >>pids; while :; do sleep 0.1; done'
    echo $$ >>pids; kill -STOP $$; sleep 300`;
  const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
  const pids = await pidsIn(world, directory, "pids", 3);
  await world.scheduler.cancel(id, signal);
  for (const pid of pids) {
    expect(await world.isAlive(pid)).toBe(false);
  }
});

test.each([
  ["starts another process on SIGTERM", "trap 'sleep 300; exit 0' TERM; echo $$ >>pids; while :; do sleep 0.02; done"],
  [
    "missed SIGTERM, as a shell's child between fork and exec does",
    "trap 'trap - TERM; m=1' TERM; echo $$ >>pids; until [ $m ]; do sleep 0.02; done; exec sleep 300",
  ],
  [
    "missed SIGTERM and has become a program that handles it",
    `trap m=1 TERM; echo $$ >>pids; until [ $m ]; do sleep 0.02; done
      exec sh -c 'trap "exit 0" TERM; while :; do sleep 0.02; done'`,
  ],
])("cancel() does not need the grace time for a command that %s", async (_, command) => {
  await using world = openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 }), { killGraceMs: 60_000 });
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
  const [pid = 0] = await pidsIn(world, directory, "pids");
  await world.scheduler.cancel(id, signal);
  expect(await world.isAlive(pid)).toBe(false);
});

test("cancel() that is called off throws, and the command is ended all the same", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, STUBBORN), freshTag(), signal);
  await pidsIn(world, directory, "pids", 2);
  const calledOff = new AbortController();
  const cancelled = world.scheduler.cancel(id, calledOff.signal);
  calledOff.abort();
  await expect(cancelled).rejects.toBeInstanceOf(SchedulerUnavailableError);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: -9 });
});

test("close() while a command is being ended makes cancel() throw, and the next daemon can finish it", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, STUBBORN), freshTag(), signal);
  const pids = await pidsIn(world, directory, "pids", 2);
  const cancelled = world.scheduler.cancel(id, signal);
  const [next] = await Promise.all([
    world.reopen(),
    expect(cancelled).rejects.toBeInstanceOf(SchedulerUnavailableError),
  ]);
  await next.cancel(id, signal);
  for (const pid of pids) {
    expect(await world.isAlive(pid)).toBe(false);
  }
  expect(await untilEnded(next, id)).toMatchObject({ isOk: false });
});
