import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
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
import { freshTag, signal } from "../../../conformance/scheduler_world.ts";
import { recordingLogger } from "../../../support/recording_logger.ts";
import { noSmallDiskBecause, smallDisk } from "../../../support/small_disk.ts";
import { tempDir } from "../../../support/temp_dir.ts";

/** A home of a performer with a guard, which waits as long as `isAlive`. */
function setup() {
  const dir = tempDir();
  const { controlDir } = homePlaces(dir.path);
  const { bootId } = processTable();
  const [clock, logger] = [systemClock(), recordingLogger()];
  const files = attemptFiles(controlDir);
  const life = lifeFiles(dir.path);
  const runner = memoryScheduler({ controlDir, environment: {}, slots: 1, clock, logger });
  const tag = freshTag();
  life.noteStart(tag);
  return {
    ...{ life, runner, tag },
    guarded: guardCommands({
      ...{ life, runner, clock, logger, pid: process.pid },
      records: () => recordsIn(controlDir),
      claim: (each) => files.claim(each, process.pid, files.headOf(bootId, dir.path)),
      isPerformerAlive: () => false,
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
  const [life, guard] = [lifeFiles(dir.path), () => lifeFiles(dir.path).starts()];
  const [first, second] = [attemptTag("a", jobId(1), 1), attemptTag("a-much-longer-name", jobId(22), 1)];
  expect(guard()).toEqual([]);
  life.noteStart(second);
  life.noteStart(first);
  expect(guard()).toEqual([second, first]);
  life.forgetStart(second);
  expect(guard()).toEqual([first]);
  life.close();
  const next = lifeFiles(dir.path);
  next.forgetStart(first);
  expect(guard()).toEqual([]);
  next.close();
});

test.skipIf(noSmallDiskBecause() !== undefined)("commands may live longer on a full disk, too", () => {
  using disk = smallDisk(262_144);
  const life = lifeFiles(disk.path);
  life.setUntilMs(999.6);
  disk.fill(0);
  life.setUntilMs(1_000_000.2);
  expect(lifeFiles(disk.path).untilMs()).toBe(1_000_000);
  disk.release();
  life.setUntilMs(7);
  expect(life.untilMs()).toBe(7);
});
