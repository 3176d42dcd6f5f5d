import { expect, test } from "bun:test";
import { join } from "node:path";
import { attemptFiles } from "../../../adapters/scheduler/attempt_files.ts";
import { attemptWatcher } from "../../../adapters/scheduler/attempt_watcher.ts";
import type { ProcessTable } from "../../../adapters/scheduler/process_table.ts";
import type { ChildEnd } from "../../../adapters/scheduler/spawner.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

const TAG = "x1";
/** No process has this number, as it is above the largest one of Linux. */
const PID = 2 ** 22 + 1;

/** One attempt whose record is there, and a process table that fails when told to: a real one does so at random moments. */
function setup(timeoutS?: number) {
  const dir = tempDir();
  const clock = new ManualClock();
  const logger = recordingLogger();
  const ends: SchedulerStatus[] = [];
  const world = { clock, logger, ends, isAlive: true, failing: undefined as keyof ProcessTable | undefined };
  const answering =
    <T>(name: keyof ProcessTable, answer: (isAlive: boolean) => T) =>
    (): T => {
      if (world.failing === name) throw new Error(`EMFILE: too many open files, ${name}`);
      return answer(world.isAlive);
    };
  const script = { pid: PID, parentId: 1, groupId: PID, sessionId: PID, startTicks: 7, stackStart: 0 };
  const files = attemptFiles(join(dir.path, "attempts"));
  const watcher = attemptWatcher({
    files,
    table: {
      bootId: "boot",
      read: answering("read", (isAlive) => (isAlive ? script : undefined)),
      isMarked: answering("isMarked", (isAlive) => isAlive),
      living: answering("living", (isAlive) => (isAlive ? [script] : [])),
      isAnyLiving: answering("isAnyLiving", (isAlive) => isAlive),
      livingTags: () => new Set(),
      diesOfTerm: () => false,
      ageMs: () => 0,
    },
    ...{ cgroups: undefined, clock, logger, timeoutS, killGraceMs: 1000 },
    onEnded: (_, status) => ends.push(status),
  });
  files.claim(TAG, PID, files.headOf("boot", dir.path));
  return Object.assign(world, {
    watcher,
    watchChild(ended: Promise<ChildEnd>) {
      watcher.watch(TAG, dir.path, { pid: PID, ended });
    },
    [Symbol.dispose]() {
      watcher.close();
      dir[Symbol.dispose]();
    },
  });
}

const ENDED = { type: "ended", outcome: { isOk: false, returnCode: null } };

test.each(["read", "isAnyLiving"] as const)(
  "the end of what an earlier daemon has started is told at a later look when %s() fails",
  async (name) => {
    using world = setup();
    expect(world.watcher.inspect(TAG)).toEqual({ type: "running" });
    world.isAlive = false;
    world.failing = name;
    await world.clock.advance(500);
    expect(world.ends).toEqual([]);
    expect(world.logger.lines).toMatchObject([{ level: "warn", message: "Could not look after a process" }]);
    world.failing = undefined;
    await world.clock.advance(500);
    expect(world.ends).toMatchObject([ENDED]);
  },
);

test.each([
  ["exited", "isAnyLiving", Promise.resolve({ type: "exited", status: 1, signal: null })],
  ["is lost", "read", Promise.resolve({ type: "lost" })],
  ["is not told", "isAnyLiving", new Promise(() => {})],
] as const)("the end of a child that %s is told at a later look when %s() fails", async (_, name, ended) => {
  using world = setup();
  world.isAlive = false;
  world.failing = name;
  world.watchChild(ended as Promise<ChildEnd>);
  await world.clock.advance(20_000);
  expect(world.ends).toEqual([]);
  world.failing = undefined;
  await world.clock.advance(20_000);
  expect(world.ends).toMatchObject([ENDED]);
});

test.each(["read", "living"] as const)("a command that ran too long is ended later when %s() fails", async (name) => {
  using world = setup(60);
  world.watchChild(new Promise(() => {}));
  world.failing = name;
  await world.clock.advance(60_000);
  world.failing = undefined;
  await world.clock.advance(10_000);
  world.isAlive = false;
  await world.clock.advance(1000);
  expect(world.ends).toMatchObject([{ ...ENDED, outcome: { reason: "Timed out after 60 s" } }]);
});
