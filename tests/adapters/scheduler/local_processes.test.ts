import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { memoryScheduler } from "../../../adapters/scheduler/memory.ts";
import { SchedulerRefusedError } from "../../../src/core/errors.ts";
import type { AttemptTag } from "../../../src/core/ids.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import { freshTag, jobIn, run, signal, untilEnded } from "../../conformance/scheduler_world.ts";
import { eventually } from "../../support/eventually.ts";
import { openLocalWorld } from "../../support/local_world.ts";

// Real processes on a busy machine.
setDefaultTimeout(30_000);

const open = () => openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 }));

test("records are kept in a directory that only the daemon's account may enter", async () => {
  await using world = open();
  expect(statSync(world.options.controlDir).mode & 0o777).toBe(0o700);
});

test("nothing stays of an attempt that is forgotten, however long its command is", async () => {
  await using world = open();
  const short = await run(world, "exit 1");
  const long = await run(world, `: ${"ü".repeat(90_000)}`);
  expect(long.returnCode).toBe("0");
  expect(readdirSync(world.options.controlDir)).toHaveLength(3);
  await world.scheduler.forget?.(short.id);
  await world.scheduler.forget?.(long.id);
  expect(readdirSync(world.options.controlDir)).toEqual([]);
});

test("a command sees only the given environment and the mark of its attempt", async () => {
  process.env.BARTENDER_TEST_PASS = "hush";
  await using world = openLocalWorld((options) => memoryScheduler({ ...options, slots: 1 }), {
    environment: { PATH: "/usr/bin:/bin", LICENSE: "27000@host" },
  });
  const { directory } = await run(world, "env");
  delete process.env.BARTENDER_TEST_PASS;
  const names = (await world.read(directory, "stdout.txt"))?.match(/^\w+(?==)/gm)?.sort();
  expect(names?.filter((name) => !["PWD", "_", "SHLVL", "OLDPWD"].includes(name))).toEqual([
    "BARTENDER_ATTEMPT",
    "LICENSE",
    "PATH",
  ]);
});

test("a command keeps the daemon's umask and has a session of its own", async () => {
  await using world = open();
  const { directory } = await run(world, "umask; cut -d' ' -f6 /proc/self/stat; echo $PPID");
  const [umask, session, parent] = (await world.read(directory, "stdout.txt"))?.split("\n") ?? [];
  expect(Number.parseInt(umask ?? "", 8)).toBe(process.umask());
  expect(session).toBe(parent);
});

test("a flood of output goes to the file", async () => {
  await using world = open();
  const { directory, outcome } = await run(world, "head -c 50000000 /dev/zero; head -c 1000000 /dev/zero >&2");
  expect(outcome.isOk).toBe(true);
  expect(statSync(join(directory, "stdout.txt")).size).toBe(50_000_000);
  expect(statSync(join(directory, "stderr.txt")).size).toBe(1_000_000);
});

test("a link in the place of stdout.txt is not followed", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  const foreign = join(world.root, "foreign");
  writeFileSync(foreign, "precious");
  symlinkSync(foreign, join(directory, "stdout.txt"));
  const id = await world.scheduler.submit(jobIn(directory, "echo out"), freshTag(), signal);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  expect(readFileSync(foreign, "utf8")).toBe("precious");
});

test("a command that removes its own directory fails with a reason", async () => {
  await using world = open();
  const { outcome } = await run(world, 'rm -r "$PWD"');
  expect(outcome).toMatchObject({ isOk: false, returnCode: null });
  expect(outcome.reason).toContain("returncode");
});

test.each([
  ["a relative directory", "here", "true", "directory: expected an absolute path"],
  ["a file for a directory", "/etc/passwd", "true", "Cannot use the job directory"],
  ["a command with a NUL", "/tmp", "echo \0", "command: contains a NUL character"],
])("%s is refused with a reason", async (_, directory, command, reason) => {
  await using world = open();
  const tag = freshTag();
  const refused = world.scheduler.submit(jobIn(directory, command), tag, signal);
  await expect(refused).rejects.toThrow(SchedulerRefusedError);
  await expect(refused).rejects.toThrow(reason);
  expect(readdirSync(world.options.controlDir)).toEqual([]);
});

test("a tag that could be a path is refused", async () => {
  await using world = open();
  const submitted = world.scheduler.submit(jobIn("/tmp", "true"), "../x" as AttemptTag, signal);
  await expect(submitted).rejects.toThrow("tag: expected");
  expect(await world.scheduler.find("../x" as AttemptTag, signal)).toBeUndefined();
});

test("a command whose record cannot be written has not run and ends with a reason", async () => {
  await using world = open();
  const directory = await world.makeDirectory();
  rmSync(world.options.controlDir, { recursive: true });
  const told: SchedulerStatus[] = [];
  world.scheduler.listen?.((_, status) => told.push(status));
  await world.scheduler.submit(jobIn(directory, "touch ran"), freshTag(), signal);
  const end = await eventually("the end being told", () => told.find(({ type }) => type === "ended"));
  const reason = "The command could not be started: its record could not be written";
  expect(end).toEqual({ type: "ended", outcome: { isOk: false, returnCode: null, reason } });
  expect(existsSync(join(directory, "ran"))).toBe(false);
});

test("two daemons that submit one tag at the same time run it once", async () => {
  await using world = open();
  const other = memoryScheduler({ ...world.options, slots: 1 });
  for (let round = 0; round < 5; round++) {
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const job = jobIn(directory, "echo once >>ledger; exit 3");
    const ends: string[] = [];
    const leave = world.scheduler.listen?.((_, status) => status.type === "ended" && ends.push(status.type));
    const ids = await Promise.all([world.scheduler, other].map((scheduler) => scheduler.submit(job, tag, signal)));
    for (const scheduler of [world.scheduler, other]) {
      const id = ids[0];
      expect(id !== undefined && (await untilEnded(scheduler, id))).toMatchObject({ returnCode: 3 });
    }
    expect(ids[0]).toBe(ids[1]);
    expect(await world.read(directory, "ledger")).toBe("once\n");
    await eventually("one end being told", () => ends.length === 1);
    leave?.();
  }
  await other.close();
});

test("what a command leaves in the background is let alone until cancel()", async () => {
  await using world = open();
  const { id, directory, outcome } = await run(world, "sleep 300 & echo $! >pid; exit 4");
  const pid = Number(await world.read(directory, "pid"));
  expect(outcome.returnCode).toBe(4);
  expect(await world.isAlive(pid)).toBe(true);
  await world.scheduler.cancel(id, signal);
  expect(await world.isAlive(pid)).toBe(false);
  expect(await untilEnded(world.scheduler, id)).toEqual(outcome);
});
