import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { localJobFiles } from "../../../adapters/job_files/local_job_files.ts";
import { jobId } from "../../../src/core/ids.ts";
import { InputDigest, sealedOn } from "../../../src/files/job_input.ts";
import { tempDir } from "../../support/temp_dir.ts";

const ID = jobId(7);

const INPUT = { "README.md": "hello\n", "data/a.txt": "a", "data/b/run.sh": "#!/bin/sh\n" };

/** A job with some input, whose command may do what it likes from now on. */
async function setup() {
  const dir = tempDir();
  const [root, uploads] = [join(dir.path, "jobs"), join(dir.path, "uploads")];
  const job = join(root, "7");
  mkdirSync(uploads);
  mkdirSync(join(job, "data/b"), { recursive: true });
  mkdirSync(join(job, "empty"));
  const digest = new InputDigest();
  // The order does not matter.
  for (const [path, text] of Object.entries(INPUT).toReversed()) {
    writeFileSync(join(job, path), text);
    digest.add(path, text.length);
  }
  chmodSync(join(job, "data/b/run.sh"), 0o755);
  const input = { digest: digest.toString(), sealedOnMs: await sealedOn(job) };
  // What follows has to be later by the clock of the file system, which ticks every few milliseconds.
  for (const probe = join(dir.path, "probe"); ; ) {
    writeFileSync(probe, "");
    if (statSync(probe).ctimeMs > input.sealedOnMs) break;
  }
  const files = localJobFiles(root, uploads);
  const copy = async () => {
    const upload = await files.copyInput(ID, input);
    expect(await files.hasInput(ID, input)).toBe(upload !== undefined);
    expect(readdirSync(uploads)).toEqual(upload === undefined ? [] : [upload]);
    return upload === undefined ? undefined : join(uploads, upload);
  };
  return { dir, job, files, input, copy, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

function filesBelow(directory: string): readonly string[] {
  return (readdirSync(directory, { recursive: true }) as string[]).sort();
}

describe("copyInput()", () => {
  test("copies what the job was given and nothing that its command wrote", async () => {
    using world = await setup();
    writeFileSync(join(world.job, "stdout.txt"), "output\n");
    writeFileSync(join(world.job, "data/result.txt"), "1\n");
    mkdirSync(join(world.job, "output"));
    writeFileSync(join(world.job, "output/x"), "");
    symlinkSync("README.md", join(world.job, "link"));
    const copy = await world.copy();
    expect(filesBelow(copy ?? "")).toEqual(["README.md", "data", "data/a.txt", "data/b", "data/b/run.sh", "empty"]);
    for (const [path, text] of Object.entries(INPUT)) expect(readFileSync(join(copy ?? "", path), "utf8")).toBe(text);
    expect(statSync(join(copy ?? "", "data/b/run.sh")).mode & 0o777).toBe(0o755);
    expect(statSync(join(copy ?? "", "README.md")).mode & 0o777).toBe(0o644);
  });

  const changes: Readonly<Record<string, (job: string) => void>> = {
    "appended to": (job) => writeFileSync(join(job, "README.md"), "more", { flag: "a" }),
    "written anew with as many bytes": (job) => writeFileSync(join(job, "README.md"), "HELLO\n"),
    "replaced by another of the same size": (job) => {
      writeFileSync(join(job, "new"), "HELLO\n");
      renameSync(join(job, "new"), join(job, "README.md"));
    },
    removed: (job) => rmSync(join(job, "data/a.txt")),
    moved: (job) => renameSync(join(job, "data/a.txt"), join(job, "a.txt")),
    "moved with its directory": (job) => renameSync(join(job, "data"), join(job, "old")),
  };
  for (const [what, change] of Object.entries(changes)) {
    test(`copies nothing when a file was ${what}`, async () => {
      using world = await setup();
      change(world.job);
      expect(await world.copy()).toBeUndefined();
    });
  }

  test("copies nothing of a linked directory, nor of one that is gone", async () => {
    using world = await setup();
    renameSync(world.job, join(world.dir.path, "elsewhere"));
    expect(await world.copy()).toBeUndefined();
    symlinkSync(join(world.dir.path, "elsewhere"), world.job);
    expect(await world.copy()).toBeUndefined();
  });
});
