import { expect, test } from "bun:test";
import { statfsSync } from "node:fs";
import { freeRoom } from "../../../../adapters/scheduler/redis/free_room.ts";
import { recordingLogger } from "../../../support/recording_logger.ts";
import { noSmallDiskBecause, smallDisk } from "../../../support/small_disk.ts";

test.skipIf(noSmallDiskBecause() !== undefined)(
  "a full disk has no room, which is told once, and so is its end",
  () => {
    using disk = smallDisk(4_194_304);
    const logger = recordingLogger();
    const hasRoom = freeRoom(disk.path, logger);
    expect([hasRoom(), hasRoom()]).toEqual([true, true]);
    disk.fill(65_536);
    expect([hasRoom(), hasRoom()]).toEqual([false, false]);
    disk.release();
    expect([hasRoom(), hasRoom()]).toEqual([true, true]);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      "The disk with the performer's state is full; it takes no more jobs",
      "The disk has room again; the performer takes jobs",
    ]);
  },
);

test("a file system that does not tell its size has room", () => {
  expect(statfsSync("/proc")).toMatchObject({ blocks: 0, bavail: 0 });
  expect(freeRoom("/proc", recordingLogger())()).toBe(true);
});
