import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { localLeftovers } from "../../../adapters/job_files/local_leftovers.ts";
import { jobId } from "../../../src/core/ids.ts";
import { tempDir } from "../../support/temp_dir.ts";

function setup() {
  const dir = tempDir();
  const at = (name: string) => join(dir.path, name);
  const places = {
    jobRootDir: at("jobs"),
    uploadDir: at("uploads"),
    controlDir: at("attempts"),
    orphanDir: at("orphans"),
    incomingDir: at("incoming"),
    ownerFile: at("database"),
  };
  for (const path of [places.jobRootDir, places.uploadDir, places.controlDir]) mkdirSync(path);
  return { ...places, leftovers: localLeftovers(places), [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

describe("directories()", () => {
  test("gives the numbers of jobs in ascending order and nothing else", async () => {
    using world = setup();
    for (const name of ["10", "9", "2147483647", "2147483648", "01", "x", "1 ", ".bartender"]) {
      mkdirSync(join(world.jobRootDir, name));
    }
    symlinkSync("/nowhere", join(world.jobRootDir, "3"));
    expect(await world.leftovers.directories()).toEqual([3, 9, 10, 2147483647].map(jobId));
  });

  test("sorts numbers that are far apart", async () => {
    using world = setup();
    const numbers = [30_001, 29_999, 100, 20_000, 1_000_000, 10_000, 99, 2].map(jobId);
    for (const number of numbers) mkdirSync(join(world.jobRootDir, String(number)));
    expect(await world.leftovers.directories()).toEqual(numbers.toSorted((a, b) => a - b));
  });
});

describe("changedOnMs()", () => {
  test("cannot be set back by whoever writes the files", async () => {
    using world = setup();
    const path = join(world.jobRootDir, "1");
    mkdirSync(path);
    utimesSync(path, 0, 0);
    const changedOnMs = await world.leftovers.changedOnMs({ kind: "directory", id: jobId(1) });
    expect(changedOnMs).toBe(statSync(path).ctimeMs);
    expect(changedOnMs).toBeGreaterThan(Date.UTC(2020, 0, 1));
  });

  test("is undefined for what is not there", async () => {
    using world = setup();
    for (const leftover of [
      { kind: "upload", name: "u1" },
      { kind: "directory", id: jobId(1) },
      { kind: "orphan", name: "1" },
      { kind: "incoming", id: jobId(1) },
      { kind: "record", tag: "t" },
    ] as const) {
      expect(await world.leftovers.changedOnMs(leftover)).toBeUndefined();
      expect(await world.leftovers.bytes(leftover)).toBe(0);
      await world.leftovers.remove(leftover);
    }
    expect(await world.leftovers.orphans()).toEqual([]);
  });
});

describe("bytes()", () => {
  test("adds up all files below, without what links lead to", async () => {
    using world = setup();
    mkdirSync(join(world.uploadDir, "u1", "deep"), { recursive: true });
    writeFileSync(join(world.uploadDir, "u1", "a"), "12345");
    writeFileSync(join(world.uploadDir, "u1", "deep", "b"), "123");
    symlinkSync("/usr", join(world.uploadDir, "u1", "deep", "link"));
    expect(await world.leftovers.bytes({ kind: "upload", name: "u1" })).toBe(8);
  });
});

describe("remove()", () => {
  test("sets a job directory aside with all its files, beside an earlier one of the same number", async () => {
    using world = setup();
    for (const text of ["first", "second"]) {
      mkdirSync(join(world.jobRootDir, "7"));
      writeFileSync(join(world.jobRootDir, "7", "out.txt"), text);
      await world.leftovers.remove({ kind: "directory", id: jobId(7) });
    }
    expect(readdirSync(world.jobRootDir)).toEqual([]);
    expect(readdirSync(world.orphanDir).sort()).toEqual(["7", "7.2"]);
    expect(readFileSync(join(world.orphanDir, "7.2", "out.txt"), "utf8")).toBe("second");
    await world.leftovers.remove({ kind: "orphan", name: "7" });
    expect(await world.leftovers.orphans()).toEqual(["7.2"]);
  });

  test("unlinks a linked one", async () => {
    using world = setup();
    mkdirSync(join(world.uploadDir, "target"));
    symlinkSync(join(world.uploadDir, "target"), join(world.jobRootDir, "7"));
    await world.leftovers.remove({ kind: "directory", id: jobId(7) });
    expect(readdirSync(world.jobRootDir)).toEqual([]);
    expect(existsSync(join(world.uploadDir, "target"))).toBe(true);
    expect(existsSync(world.orphanDir)).toBe(false);
  });
});

describe("owner()", () => {
  test("is what was set, and nothing at first or after a crash while it was written", async () => {
    using world = setup();
    expect(await world.leftovers.owner()).toBeUndefined();
    writeFileSync(world.ownerFile, "");
    expect(await world.leftovers.owner()).toBeUndefined();
    await world.leftovers.setOwner("abc");
    expect(await world.leftovers.owner()).toBe("abc");
    expect(readFileSync(world.ownerFile, "utf8")).toBe("abc\n");
  });
});
