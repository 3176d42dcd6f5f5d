import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../adapters/clock/system_clock.ts";
import { attemptFiles } from "../../../../adapters/scheduler/attempt_files.ts";
import { memoryScheduler } from "../../../../adapters/scheduler/memory.ts";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { guardCommands } from "../../../../adapters/scheduler/redis/guard_commands.ts";
import { lifeFiles } from "../../../../adapters/scheduler/redis/life_file.ts";
import { homePlaces, recordsIn } from "../../../../adapters/scheduler/redis/performer_home.ts";
import { runArguments } from "../../../../adapters/scheduler/run_script.ts";
import { attemptTag, jobId } from "../../../../src/core/ids.ts";
import type { Scheduler } from "../../../../src/ports/scheduler.ts";
import { freshTag, jobIn, signal } from "../../../conformance/scheduler_world.ts";
import { endLeftovers } from "../../../support/end_leftovers.ts";
import { eventually } from "../../../support/eventually.ts";
import { recordingLogger } from "../../../support/recording_logger.ts";
import { noSmallDiskBecause, smallDisk } from "../../../support/small_disk.ts";
import { tempDir } from "../../../support/temp_dir.ts";

/**
 * A home of a performer that is gone, with a guard.
 *
 * @param hasFaults what is asked about processes fails twice each, as that of a real process table may at any moment
 */
function setup(hasFaults = false) {
  const dir = tempDir();
  const { controlDir } = homePlaces(dir.path);
  const { bootId } = processTable();
  const [clock, logger] = [systemClock(), recordingLogger()];
  const files = attemptFiles(controlDir);
  const life = lifeFiles(dir.path, logger);
  const runner = memoryScheduler({ controlDir, environment: {}, slots: 1, clock, logger });
  const faults = new Map<string, number>();
  const failTwice = (name: string): void => {
    const before = faults.get(name) ?? 0;
    if (!hasFaults || before === 2) return;
    faults.set(name, before + 1);
    throw new Error(`EMFILE: too many open files, ${name}`);
  };
  const faulty: Scheduler = {
    ...runner,
    async find(...args) {
      failTwice("find");
      return await runner.find(...args);
    },
    async cancel(...args) {
      failTwice("cancel");
      await runner.cancel(...args);
    },
  };
  const tag = freshTag();
  life.noteStart(tag);
  return {
    ...{ dir, files, life, runner, tag, logger },
    guarded: guardCommands({
      ...{ life, runner: faulty, clock, logger, pid: process.pid },
      records: () => recordsIn(controlDir),
      claim: (each) => files.claim(each, process.pid, files.headOf(bootId, dir.path)),
      isPerformerAlive() {
        failTwice("isPerformerAlive");
        return false;
      },
    }),
    /** As the performer would have started it. @returns whether the command ran */
    start() {
      const head = files.headOf(bootId, dir.path);
      const args = runArguments(files.pathOf(tag), head, "touch ran", undefined, undefined, []);
      spawnSync("/bin/sh", args, { cwd: dir.path, env: { PATH: process.env.PATH } });
      return existsSync(join(dir.path, "ran"));
    },
    async [Symbol.asyncDispose]() {
      await runner.close();
      await endLeftovers(controlDir);
      life.close();
      dir[Symbol.dispose]();
    },
  };
}

test("a command that comes after its time does not begin, however late it does, and counts as ended by the guard", async () => {
  await using t = setup();
  t.life.setUntilMs(t.life.nowMs());
  await t.guarded;
  expect(t.start()).toBe(false);
  expect(t.life.wasEnded(t.tag)).toBe(true);
  const id = await t.runner.find(t.tag, signal);
  if (id === undefined) throw new Error("The attempt is not known");
  expect((await t.runner.statuses([id], signal)).get(id)).toMatchObject({ type: "ended", isInterrupted: true });
});

test("a guard that cannot look, or cannot end a command, says so once and does so later", async () => {
  await using t = setup(true);
  const directory = join(t.dir.path, "job");
  mkdirSync(directory);
  await t.runner.submit(jobIn(directory, "sleep 300"), t.tag, signal);
  await eventually("the record", () => t.files.read(t.tag) !== undefined);
  t.life.setUntilMs(t.life.nowMs());
  await t.guarded;
  expect(processTable().livingTags()).not.toContain(t.tag);
  expect(t.logger.lines.filter(({ level }) => level === "error")).toHaveLength(3);
});

test("the guard of a performer that is gone waits for a command that is on its way, which may begin in its time", async () => {
  await using t = setup();
  t.life.setUntilMs(t.life.nowMs() + 600_000);
  const isGone = t.guarded.then(() => true);
  const pause = new Promise<false>((resolve) => setTimeout(() => resolve(false), 600));
  expect(await Promise.race([isGone, pause])).toBe(false);
  expect(t.start()).toBe(true);
  t.life.forgetStart(t.tag);
  expect(await isGone).toBe(true);
});

test("another process reads which commands are on their way, whatever was noted before", () => {
  using dir = tempDir();
  const open = () => lifeFiles(dir.path, recordingLogger());
  const [life, guard] = [open(), () => open().starts()];
  const [first, second] = [attemptTag("a", jobId(1), 1), attemptTag("a-much-longer-name", jobId(22), 1)];
  expect(guard()).toEqual([]);
  life.noteStart(second);
  life.noteStart(first);
  expect(guard()).toEqual([second, first]);
  life.forgetStart(second);
  expect(guard()).toEqual([first]);
  life.close();
  const next = open();
  next.forgetStart(first);
  expect(guard()).toEqual([]);
  next.close();
});

test("a command is ended in time though that cannot be noted", async () => {
  await using t = setup();
  mkdirSync(join(t.dir.path, "ended"));
  const id = await t.runner.submit(jobIn(t.dir.path, "sleep 300"), t.tag, signal);
  t.life.setUntilMs(t.life.nowMs());
  await t.guarded;
  expect((await t.runner.statuses([id], signal)).get(id)?.type).toBe("ended");
  expect(t.logger.lines).toContainEqual({
    level: "error",
    message: "It could not be noted that a command is ended through no fault of its own",
    fields: { tag: t.tag, reason: expect.stringContaining("EISDIR") },
  });
});

test.skipIf(noSmallDiskBecause() !== undefined)("commands may live longer on a full disk, too", () => {
  using disk = smallDisk(1_000_000);
  const open = () => lifeFiles(disk.path, recordingLogger());
  const [life, guard] = [open(), open()];
  life.setUntilMs(999.6);
  disk.fill(0);
  life.setUntilMs(1_000_000.2);
  expect(guard.untilMs()).toBe(1_000_000);
  disk.release();
  life.setUntilMs(7);
  expect(guard.untilMs()).toBe(7);
  life.close();
});
