import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { TransferError } from "../../src/core/errors.ts";
import { jobId } from "../../src/core/ids.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";

/** A file system and a local job root, made for one test. */
export interface FileSystemWorld extends AsyncDisposable {
  readonly fileSystem: FileSystem;
  /** Local job root: absolute, empty. */
  readonly jobRoot: string;
  /** What a job does where the scheduler runs it: writes a file below `remote`. */
  writeRemote(remote: string, name: string, text: string): Promise<void>;
  /** @returns undefined when there is no such file below `remote` */
  readRemote(remote: string, name: string): Promise<string | undefined>;
}

/** Sentences of the port that a file system cannot keep, each with the reason. */
export type Waivers = Readonly<Record<string, string>>;

const signal = new AbortController().signal;
const ID = jobId(17);

/** Files as a user uploads them: nested, empty, not text, executable, with odd names. */
function fill(jobRoot: string): string {
  const directory = join(jobRoot, "17");
  mkdirSync(join(directory, "a", "empty dir"), { recursive: true });
  writeFileSync(join(directory, "README.md"), "three words here\n");
  writeFileSync(
    join(directory, "a", "bytes"),
    Uint8Array.from({ length: 70_000 }, (_, index) => index % 251),
  );
  writeFileSync(join(directory, "a", "empty"), "");
  writeFileSync(join(directory, "a", `it's "ü" $HOME\n*`), "odd");
  writeFileSync(join(directory, "run.sh"), "#!/bin/sh\n");
  chmodSync(join(directory, "run.sh"), 0o755);
  return directory;
}

/** All entries below a directory: path → content, or `/` for directories. */
function tree(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(
    entries.map((path) => {
      const full = join(directory, path);
      return [path, lstatSync(full).isDirectory() ? "/" : readFileSync(full, "latin1")];
    }),
  );
}

/** Every promise of the port {@link FileSystem}, to be kept against the real system. */
export function fileSystemSuite(name: string, open: () => Promise<FileSystemWorld>, waivers: Waivers = {}): void {
  describe(`file system ${name}`, () => {
    const told = new Set<string>();
    const says = (sentence: string, keep: (world: FileSystemWorld) => Promise<void>): void => {
      told.add(sentence);
      // Not registered at all: a test that counts as skipped is one that should have run.
      if (sentence in waivers) return;
      test(sentence, async () => {
        await using world = await open();
        await keep(world);
      });
    };
    locates(says);
    transfers(says);
    removes(says);
    afterAll(() => {
      expect(Object.keys(waivers).filter((sentence) => !told.has(sentence))).toEqual([]);
    });
  });
}

type Says = (sentence: string, keep: (world: FileSystemWorld) => Promise<void>) => void;

function locates(says: Says): void {
  says("locate() names an absolute directory, always the same for a job and another for another job", async (world) => {
    const { fileSystem, jobRoot } = world;
    const remote = fileSystem.locate(ID, join(jobRoot, "17"));
    expect(remote).toStartWith("/");
    expect(fileSystem.locate(ID, join(jobRoot, "17"))).toBe(remote);
    expect(fileSystem.locate(jobId(18), join(jobRoot, "18"))).not.toBe(remote);
  });

  says("locate() answers the local directory exactly when nothing has to be moved", async ({ fileSystem, jobRoot }) => {
    const local = join(jobRoot, "17");
    expect(fileSystem.locate(ID, local) === local).toBe(!fileSystem.isStaged);
  });
}

function transfers(says: Says): void {
  says("after upload() the job finds its files, and the local ones are untouched", async (world) => {
    const local = fill(world.jobRoot);
    const before = tree(local);
    const remote = world.fileSystem.locate(ID, local);
    await world.fileSystem.upload(local, remote, signal);
    expect(await world.readRemote(remote, "README.md")).toBe("three words here\n");
    expect(await world.readRemote(remote, `a/it's "ü" $HOME\n*`)).toBe("odd");
    expect(tree(local)).toEqual(before);
  });

  says("what the job wrote is there after download(), beside what was there before", async (world) => {
    const local = fill(world.jobRoot);
    const before = tree(local);
    const remote = world.fileSystem.locate(ID, local);
    await world.fileSystem.upload(local, remote, signal);
    await world.writeRemote(remote, "stdout.txt", "3\n");
    await world.writeRemote(remote, "out/deep/result", "42");
    await world.writeRemote(remote, "README.md", "changed\n");
    await world.fileSystem.download(remote, local, signal);
    expect(tree(local)).toEqual({
      ...before,
      "README.md": "changed\n",
      "stdout.txt": "3\n",
      out: "/",
      "out/deep": "/",
      "out/deep/result": "42",
    });
    expect(statSync(join(local, "run.sh")).mode & 0o111).toBe(0o111);
  });

  says("upload() and download() may be repeated", async (world) => {
    const local = fill(world.jobRoot);
    const before = tree(local);
    const remote = world.fileSystem.locate(ID, local);
    await world.fileSystem.upload(local, remote, signal);
    await world.fileSystem.upload(local, remote, signal);
    await world.fileSystem.download(remote, local, signal);
    await world.fileSystem.download(remote, local, signal);
    expect(tree(local)).toEqual(before);
  });

  says("upload() of a directory that is not there throws TransferError for good", async ({ fileSystem, jobRoot }) => {
    const local = join(jobRoot, "17");
    const transfer = fileSystem.upload(local, fileSystem.locate(ID, local), signal);
    const error = await transfer.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TransferError);
    expect(error).toMatchObject({ retryable: false });
  });

  says("download() of a directory that is not there throws TransferError for good", async (world) => {
    const local = fill(world.jobRoot);
    const remote = world.fileSystem.locate(ID, local);
    await world.fileSystem.upload(local, remote, signal);
    await world.fileSystem.remove(remote, signal);
    if (!world.fileSystem.isStaged) {
      rmSync(local, { recursive: true });
    }
    const error = await world.fileSystem.download(remote, local, signal).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TransferError);
    expect(error).toMatchObject({ retryable: false });
  });

  says("a transfer that is called off throws TransferError and may be tried again", async ({ fileSystem, jobRoot }) => {
    const local = fill(jobRoot);
    const remote = fileSystem.locate(ID, local);
    const calledOff = AbortSignal.abort();
    const errors = [
      await fileSystem.upload(local, remote, calledOff).catch((thrown: unknown) => thrown),
      await fileSystem.download(remote, local, calledOff).catch((thrown: unknown) => thrown),
    ];
    for (const error of errors) {
      expect(error).toBeInstanceOf(TransferError);
      expect(error).toMatchObject({ retryable: true });
    }
    await fileSystem.upload(local, remote, signal);
  });
}

function removes(says: Says): void {
  says("remove() takes the remote copy away and leaves the local one", async (world) => {
    const local = fill(world.jobRoot);
    const before = tree(local);
    const remote = world.fileSystem.locate(ID, local);
    await world.fileSystem.upload(local, remote, signal);
    await world.fileSystem.remove(remote, signal);
    expect(tree(local)).toEqual(before);
    expect((await world.readRemote(remote, "README.md")) === undefined).toBe(world.fileSystem.isStaged);
  });

  says("remove() of an absent directory does nothing", async ({ fileSystem, jobRoot }) => {
    const remote = fileSystem.locate(ID, join(jobRoot, "17"));
    await fileSystem.remove(remote, signal);
    await fileSystem.remove(remote, signal);
  });

  says("remove() follows no link out of the directory", async (world) => {
    const local = fill(world.jobRoot);
    const other = join(world.jobRoot, "other");
    mkdirSync(other);
    writeFileSync(join(other, "precious"), "kept");
    symlinkSync(other, join(local, "link"));
    const remote = world.fileSystem.locate(ID, local);
    await world.fileSystem.upload(local, remote, signal);
    await world.fileSystem.remove(remote, signal);
    expect(readFileSync(join(other, "precious"), "utf8")).toBe("kept");
  });

  says("close() may be called again", async ({ fileSystem }) => {
    await fileSystem.close();
    await fileSystem.close();
  });
}
