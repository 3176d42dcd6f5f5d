import { afterAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type FileWorld, fileWorld, SECRET } from "../support/file_world.ts";
import { plantTree } from "../support/planted_tree.ts";

const swappers: ChildProcess[] = [];

afterAll(() => {
  for (const swapper of swappers) swapper.kill("SIGKILL");
});

/**
 * What a surviving process of a job could do: puts a good file or directory and a link to the outside in turns at the
 * same place, as fast as it can.
 */
function swap(files: FileWorld): void {
  mkdirSync(join(files.directory, "d"));
  plantTree(files.directory, {
    "good.txt": "good",
    "good-dir/secret.txt": "good",
    "bad-file": { link: join(files.outside, "secret.txt") },
    "bad-dir": { link: files.outside },
  });
  const script = `
    import { linkSync, renameSync, symlinkSync, rmSync, mkdirSync, writeFileSync, readlinkSync } from "node:fs";
    process.chdir(${JSON.stringify(files.directory)});
    for (let n = 0; ; n++) {
      linkSync("good.txt", "x"); renameSync("x", "d/file.txt");
      mkdirSync("y"); writeFileSync("y/secret.txt", "good");
      try { rmSync("d/dir"); } catch {}
      renameSync("y", "d/dir");
      symlinkSync(readlinkSync("bad-file"), "x"); renameSync("x", "d/file.txt");
      rmSync("d/dir", { recursive: true }); symlinkSync(readlinkSync("bad-dir"), "d/dir");
    }`;
  swappers.push(spawn(process.execPath, ["-e", script], { stdio: "ignore" }));
}

const UNTIL_MS = 1_500;

/** Asks again and again. @returns how many answers of each status came, and whether the secret was in any. */
async function hammer(files: FileWorld, paths: readonly string[]) {
  const statuses = new Map<number, number>();
  const bodies = new Set<string>();
  await Promise.all(
    paths.map(async (path) => {
      for (const endMs = performance.now() + UNTIL_MS; performance.now() < endMs; ) {
        const { status, body } = await files.get(path);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (body.includes(SECRET)) bodies.add(path);
      }
    }),
  );
  return { statuses, leaking: [...bodies] };
}

describe("links that are swapped while requests run", () => {
  test("never lead a file request out of the job", async () => {
    await using files = await fileWorld({});
    swap(files);
    const { statuses, leaking } = await hammer(files, ["/files/d/file.txt", "/files/d/dir/secret.txt"]);
    expect(leaking).toEqual([]);
    // Both sides of the swap were met, so that the test could have failed.
    expect(statuses.get(200)).toBeGreaterThan(0);
    expect(statuses.get(404)).toBeGreaterThan(0);
    expect([...statuses.keys()].sort()).toEqual([200, 404]);
  });

  test("never lead an archive out of the job", async () => {
    await using files = await fileWorld({});
    swap(files);
    const { statuses, leaking } = await hammer(files, [
      "/archive?archive_format=.tar",
      "/archive/d?archive_format=.tar",
    ]);
    expect(leaking).toEqual([]);
    expect([...statuses.keys()]).toEqual([200]);
  });

  test("never lead a listing out of the job", async () => {
    await using files = await fileWorld({});
    plantTree(files.outside, { "only-outside": "x", "sub/only-outside": "x" });
    swap(files);
    const names: string[] = [];
    for (const endMs = performance.now() + UNTIL_MS; performance.now() < endMs; ) {
      const { status, body } = await files.get("/directories?max_depth=5");
      expect(status).toBe(200);
      if (body.includes("only-outside")) names.push(body.toString());
    }
    expect(names).toEqual([]);
  });
});
