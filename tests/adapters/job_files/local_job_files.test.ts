import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { localJobFiles } from "../../../adapters/job_files/local_job_files.ts";
import { JobDirectoryTakenError, TransferError } from "../../../src/core/errors.ts";
import { jobId } from "../../../src/core/ids.ts";
import { noSmallDiskBecause, smallDisk } from "../../support/small_disk.ts";
import { tempDir } from "../../support/temp_dir.ts";

const ID = jobId(7);

function setup() {
  const dir = tempDir();
  const [root, uploads] = [join(dir.path, "jobs"), join(dir.path, "uploads")];
  mkdirSync(root);
  mkdirSync(join(uploads, "u1"), { recursive: true });
  writeFileSync(join(uploads, "u1", "README.md"), "hello\n");
  const job = join(root, "7");
  return {
    dir,
    root,
    uploads,
    job,
    files: localJobFiles(root, uploads),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

describe("adopt()", () => {
  test("makes the upload the directory of the job, and may be repeated", async () => {
    using world = setup();
    await world.files.adopt("u1", ID);
    await world.files.adopt("u1", ID);
    expect(readFileSync(join(world.job, "README.md"), "utf8")).toBe("hello\n");
    expect(readdirSync(world.uploads)).toEqual([]);
  });

  test("refuses to touch a directory that exists already", async () => {
    using world = setup();
    mkdirSync(world.job);
    await expect(world.files.adopt("u1", ID)).rejects.toThrow(JobDirectoryTakenError);
    expect(readdirSync(world.job)).toEqual([]);
    expect(readdirSync(world.uploads)).toEqual(["u1"]);
  });

  test("says when the upload is lost", async () => {
    using world = setup();
    await expect(world.files.adopt("u2", ID)).rejects.toThrow("Upload of job 7 is lost");
  });
});

describe("appendReason()", () => {
  test.skipIf(noSmallDiskBecause() !== undefined)("on a full disk fails for now, and succeeds with space", async () => {
    using disk = smallDisk(1_000_000);
    const files = localJobFiles(disk.path, disk.path);
    mkdirSync(files.directory(ID));
    disk.fill(0);
    const failed = await files.appendReason(ID, "Timed out").catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(TransferError);
    expect(failed).toMatchObject({ retryable: true, message: "The disk of the jobs is full" });
    disk.release();
    await files.appendReason(ID, "Timed out");
    expect(readFileSync(join(files.directory(ID), "stderr.txt"), "utf8")).toBe("bartender: Timed out\n");
  });

  test("makes both log files when no command ran", async () => {
    using world = setup();
    await world.files.adopt("u1", ID);
    await world.files.appendReason(ID, "No such destination");
    expect(readFileSync(join(world.job, "stderr.txt"), "utf8")).toBe("bartender: No such destination\n");
    expect(readFileSync(join(world.job, "stdout.txt"), "utf8")).toBe("");
  });

  test("adds a line of its own to what the command wrote, and only once", async () => {
    using world = setup();
    await world.files.adopt("u1", ID);
    writeFileSync(join(world.job, "stderr.txt"), "no line end");
    writeFileSync(join(world.job, "stdout.txt"), "output");
    await world.files.appendReason(ID, "Timed out");
    await world.files.appendReason(ID, "Timed out");
    expect(readFileSync(join(world.job, "stderr.txt"), "utf8")).toBe("no line end\nbartender: Timed out\n");
    expect(readFileSync(join(world.job, "stdout.txt"), "utf8")).toBe("output");
  });

  test("does not write through a link that the job made", async () => {
    using world = setup();
    await world.files.adopt("u1", ID);
    const victim = join(world.dir.path, "victim");
    writeFileSync(victim, "untouched");
    symlinkSync(victim, join(world.job, "stderr.txt"));
    await expect(world.files.appendReason(ID, "Timed out")).rejects.toThrow();
    expect(readFileSync(victim, "utf8")).toBe("untouched");
  });
});

describe("remove()", () => {
  test("removes the directory with all below, and may be repeated", async () => {
    using world = setup();
    await world.files.adopt("u1", ID);
    await world.files.remove(ID);
    await world.files.remove(ID);
    expect(existsSync(world.job)).toBe(false);
  });

  test("removes only the link of a linked job", async () => {
    using world = setup();
    symlinkSync(join(world.uploads, "u1"), world.job);
    await world.files.remove(ID);
    expect(existsSync(world.job)).toBe(false);
    expect(readdirSync(join(world.uploads, "u1"))).toEqual(["README.md"]);
  });
});

test("discard() removes an upload, and may be repeated", async () => {
  using world = setup();
  await world.files.discard("u1");
  await world.files.discard("u1");
  expect(readdirSync(world.uploads)).toEqual([]);
});
