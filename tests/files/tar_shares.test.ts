import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TarShare, tarShares } from "../../src/files/tar_writer.ts";
import type { TreeEntry } from "../../src/files/tree_walker.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

const LARGE_BYTES = 1_000_000;

/** Sixty files of 10 kB with a large one among them, each open only until the next one is asked for. */
async function* entries({ path }: TempDir): AsyncGenerator<TreeEntry, void, undefined> {
  yield { type: "directory", path: "d", mode: 0o755, modifiedMs: 0 };
  for (let n = 0; n < 60; n++) {
    if (n === 31) yield { type: "directory", path: "d/after", mode: 0o755, modifiedMs: 0 };
    const size = n === 30 ? LARGE_BYTES : 10_000;
    writeFileSync(join(path, "file"), Buffer.alloc(size, n));
    const fd = openSync(join(path, "file"), "r");
    try {
      yield { type: "file", path: `d/${n}`, mode: 0o644, modifiedMs: 0, size, fd };
    } finally {
      closeSync(fd);
    }
  }
}

async function read({ bytes }: TarShare): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) {
    pieces.push(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return Buffer.concat(pieces);
}

test("files are in one of the archives each, whole, directories are in all, and each archive ends as tar wants it", async () => {
  using dir = tempDir();
  const { shares, close } = tarShares(entries(dir), 3);
  const archives = await Promise.all(shares.map(read));
  await close();
  const names: string[] = [];
  for (const [index, archive] of archives.entries()) {
    expect(archive.length % 10_240).toBe(0);
    const target = join(dir.path, String(index));
    mkdirSync(target);
    execFileSync("tar", ["-xf", "-", "-C", target], { input: archive });
    const listed = execFileSync("tar", ["-tf", "-"], { input: archive, encoding: "utf8" }).trim().split("\n");
    expect(listed.length).toBeGreaterThan(1);
    expect(listed[0]).toBe("d/");
    const files = listed.filter((name) => !name.endsWith("/"));
    names.push(...files);
    expect(listed.filter((name) => name.endsWith("/"))).toEqual(["d/", "d/after/"]);
    for (const name of files) {
      const content = readFileSync(join(target, name));
      const n = Number(name.slice(2));
      expect(content.equals(Buffer.alloc(n === 30 ? LARGE_BYTES : 10_000, n))).toBe(true);
    }
  }
  expect(names.toSorted()).toEqual(Array.from({ length: 60 }, (_, n) => `d/${n}`).toSorted());
});

test("one that nobody reads keeps nothing from the others, and has not begun", async () => {
  using dir = tempDir();
  const { shares, close } = tarShares(entries(dir), 2);
  const [first, second] = shares;
  if (first === undefined || second === undefined) throw new Error("Two archives were asked for");
  const archive = await read(first);
  await close();
  expect(execFileSync("tar", ["-tf", "-"], { input: archive, encoding: "utf8" }).split("\n").length).toBe(63);
  expect([first.hasBegun, second.hasBegun]).toEqual([true, false]);
});

test("a reader that leaves in the middle lets the others go on, and close() closes the file that was open", async () => {
  using dir = tempDir();
  const { shares, close } = tarShares(entries(dir), 2);
  const [first, second] = shares;
  if (first === undefined || second === undefined) throw new Error("Two archives were asked for");
  for await (const _ of first.bytes) break;
  const { value } = await second.bytes.next();
  expect(value?.length).toBeGreaterThan(0);
  await close();
  const open = execFileSync("ls", ["-l", `/proc/${process.pid}/fd`], { encoding: "utf8" });
  expect(open).not.toContain(join(dir.path, "file"));
  expect(existsSync(join(dir.path, "file"))).toBe(true);
});
