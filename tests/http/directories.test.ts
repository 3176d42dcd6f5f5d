import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jobId } from "../../src/core/ids.ts";
import { sortByBytes } from "../../src/files/sort_by_bytes.ts";
import { turnTaking } from "../../src/files/turns.ts";
import { listDirectory, TooManyItemsError } from "../../src/http/directory_listing.ts";
import { openRequestedDirectory } from "../../src/http/requested_directory.ts";
import { type FileWorld, fileWorld } from "../support/file_world.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { allClosed } from "../support/open_files.ts";
import { plantTree } from "../support/planted_tree.ts";
import { tempDir } from "../support/temp_dir.ts";
import { unprivileged } from "../support/unprivileged.ts";

interface Item {
  readonly name: string;
  readonly path: string;
  readonly is_dir: boolean;
  readonly is_file: boolean;
  readonly children?: readonly Item[];
}

async function list(files: FileWorld, path: string): Promise<Item> {
  const { status, headers, body } = await files.get(path);
  expect([status, headers["content-type"]]).toEqual([200, "application/json"]);
  return JSON.parse(body.toString()) as Item;
}

/** Every path below an item, those of directories with a slash at the end. */
function paths(item: Item): readonly string[] {
  return (item.children ?? []).flatMap((child) => [child.path + (child.is_dir ? "/" : ""), ...paths(child)]);
}

const TREE = {
  "somefile.txt": "x",
  "output/readme.txt": "x",
  "output/deep/er/file": "x",
  "output/empty": { make: "directory" },
} as const;

describe("GET directories", () => {
  test("lists one level of the job directory when nothing else is asked for", async () => {
    await using files = await fileWorld({ "somefile.txt": "x", "output/readme.txt": "x" });
    const { body } = await files.get("/directories");
    expect(body.toString()).toBe(
      '{"name":"","path":".","is_dir":true,"is_file":false,"children":[' +
        '{"name":"output","path":"output","is_dir":true,"is_file":false},' +
        '{"name":"somefile.txt","path":"somefile.txt","is_dir":false,"is_file":true}]}',
    );
    expect((await files.get("/directories/")).body.toString()).toBe(body.toString());
    await allClosed(files.directory);
  });

  test("lists as many levels as max_depth says", async () => {
    await using files = await fileWorld(TREE);
    const at = async (depth: number) => paths(await list(files, `/directories?max_depth=${depth}`));
    expect(await at(1)).toEqual(["output/", "somefile.txt"]);
    expect(await at(2)).toEqual(["output/", "output/deep/", "output/empty/", "output/readme.txt", "somefile.txt"]);
    expect(await at(3)).toContain("output/deep/er/");
    expect(await at(3)).not.toContain("output/deep/er/file");
    expect(await at(99999999999)).toContain("output/deep/er/file");
  });

  test("leaves children out for files, empty directories and at the depth limit", async () => {
    await using files = await fileWorld(TREE);
    const output = (await list(files, "/directories?max_depth=2")).children?.[0];
    expect(output?.children?.map((child) => [child.name, "children" in child])).toEqual([
      ["deep", false],
      ["empty", false],
      ["readme.txt", false],
    ]);
    expect(await list(files, "/directories/output/empty")).toEqual({
      name: "empty",
      path: "output/empty",
      is_dir: true,
      is_file: false,
    });
  });

  test("shows paths relative to the job directory for a sub directory, however it is spelled", async () => {
    await using files = await fileWorld(TREE);
    const expected = await list(files, "/directories/output/deep");
    expect(expected).toMatchObject({ name: "deep", path: "output/deep" });
    expect(paths(expected)).toEqual(["output/deep/er/"]);
    for (const path of ["output%2Fdeep", "output/deep/", "./output//deep", "output%2F..%2Foutput/deep"]) {
      expect(await list(files, `/directories/${path}`)).toEqual(expected);
    }
  });

  test("sorts by code point", async () => {
    const names = ["B", "a", "10_x", "9_x", "_", ".hidden", "é", "\uff5e", "\u{1f600}", "z"];
    await using files = await fileWorld(Object.fromEntries(names.map((name) => [name, ""])));
    expect(paths(await list(files, "/directories"))).toEqual([
      ".hidden",
      "10_x",
      "9_x",
      "B",
      "_",
      "a",
      "z",
      "é",
      "\uff5e",
      "\u{1f600}",
    ]);
  });

  test("shows names that are not UTF-8 with replacement characters", async () => {
    await using files = await fileWorld({});
    writeFileSync(Buffer.concat([Buffer.from(`${files.directory}/`), Buffer.from([0x61, 0xff, 0x62])]), "");
    mkdirSync(Buffer.concat([Buffer.from(`${files.directory}/`), Buffer.from([0xe9])]));
    writeFileSync(Buffer.concat([Buffer.from(`${files.directory}/`), Buffer.from([0xe9, 0x2f, 0x78])]), "");
    expect(paths(await list(files, "/directories?max_depth=2"))).toEqual(["a\ufffdb", "\ufffd/", "\ufffd/x"]);
  });

  test("says of links what they lead to, and of what is nothing that it is neither", async () => {
    await using files = await fileWorld({
      ...TREE,
      dangling: { link: "nowhere" },
      "link-dir": { link: "output" },
      "link-file": { link: "somefile.txt" },
      pipe: { make: "fifo" },
    });
    const { children = [] } = await list(files, "/directories");
    expect(children.map(({ name, is_dir, is_file }) => [name, is_dir, is_file])).toEqual([
      ["dangling", false, false],
      ["link-dir", true, false],
      ["link-file", false, true],
      ["output", true, false],
      ["pipe", false, false],
      ["somefile.txt", false, true],
    ]);
  });

  test("follows links inside the job, but neither those that leave it nor those that lead back", async () => {
    await using files = await fileWorld({
      ...TREE,
      again: { link: "output/deep" },
      "output/deep/up": { link: "../.." },
    });
    symlinkSync(files.outside, join(files.directory, "out"));
    expect(paths(await list(files, "/directories?max_depth=50"))).toEqual([
      "again/",
      "again/er/",
      "again/er/file",
      "again/up/",
      "out/",
      "output/",
      "output/deep/",
      "output/deep/er/",
      "output/deep/er/file",
      "output/deep/up/",
      "output/empty/",
      "output/readme.txt",
      "somefile.txt",
    ]);
    for (const path of ["out", "out/sub", "%2E%2E%2F", "..%2F2", "/etc", "%2Fetc", "somefile.txt", "nope", "%00"]) {
      const { status, body } = await files.get(`/directories/${path}`);
      expect([path, status]).toEqual([path, 404]);
      expect(body.toString()).toBe('{"detail":"File not found"}');
    }
    await allClosed(files.directory);
  });

  test("lists a job directory that is a link itself", async () => {
    await using files = await fileWorld(TREE);
    renameSync(files.directory, join(files.outside, "target"));
    symlinkSync(join(files.outside, "target"), files.directory);
    expect(paths(await list(files, "/directories/output"))).toEqual([
      "output/deep/",
      "output/empty/",
      "output/readme.txt",
    ]);
    expect((await files.get("/directories/..%2Fsub")).status).toBe(404);
  });

  test.each([
    ["x", "value is not a valid integer", "type_error.integer", undefined],
    ["1.5", "value is not a valid integer", "type_error.integer", undefined],
    ["0", "ensure this value is greater than 0", "value_error.number.not_gt", { limit_value: 0 }],
    ["-3", "ensure this value is greater than 0", "value_error.number.not_gt", { limit_value: 0 }],
  ])("refuses max_depth=%s with a list error", async (depth, msg, type, ctx) => {
    await using files = await fileWorld(TREE);
    const { status, body } = await files.get(`/directories?max_depth=${depth}`);
    expect(status).toBe(422);
    const fault = { loc: ["query", "max_depth"], msg, type };
    expect(JSON.parse(body.toString())).toEqual({ detail: [ctx === undefined ? fault : { ...fault, ctx }] });
  });

  test("reports a faulty job number and a faulty max_depth together", async () => {
    await using files = await fileWorld(TREE);
    const response = await files.world.app.fetch(
      new Request("http://localhost/api/job/x/directories?max_depth=0", { headers: files.world.auth() }),
    );
    const { detail } = (await response.json()) as { detail: readonly { loc: readonly string[] }[] };
    expect(detail.map(({ loc }) => loc)).toEqual([
      ["path", "jobid"],
      ["query", "max_depth"],
    ]);
  });

  test("is refused for jobs that are not completed or whose directory is gone", async () => {
    await using files = await fileWorld(TREE);
    const running = files.world.jobs.plant({ phase: "staging_out" });
    const at = async (path: string) =>
      (await files.world.app.fetch(new Request(`http://localhost${path}`, { headers: files.world.auth() }))).status;
    expect(await at(`/api/job/${running.id}/directories`)).toBe(425);
    renameSync(files.directory, join(files.outside, "moved"));
    expect(await at(`${files.base}/directories`)).toBe(404);
  });

  test("shows a directory that may not be read without children", async () => {
    await using files = await fileWorld(TREE);
    chmodSync(join(files.directory, "output"), 0);
    const listed = await unprivileged(files.directory, () => list(files, "/directories?max_depth=3"));
    expect(paths(listed)).toEqual(["output/", "somefile.txt"]);
    chmodSync(join(files.directory, "output"), 0o755);
  });

  test("of more than 100,000 items is refused with the limit and leaves nothing open", async () => {
    await using files = await fileWorld({});
    const names = Array.from({ length: 330 }, (_, n) => [`many/${n}`, ""] as const);
    const links = Array.from({ length: 330 }, (_, n) => [`links/${n}`, { link: "../many" }] as const);
    plantTree(files.directory, Object.fromEntries([...names, ...links]));
    const { status, body } = await files.get("/directories?max_depth=3");
    expect(status).toBe(413);
    expect(JSON.parse(body.toString())).toEqual({
      detail: "The directory has more than 100000 items: list a sub directory or ask for a smaller max_depth",
    });
    expect(paths(await list(files, "/directories?max_depth=2")).length).toBe(2 + 2 * 330);
    await allClosed(files.directory);
  });
});

test("listDirectory() counts items over all levels", async () => {
  using root = tempDir();
  plantTree(root.path, { "1/a/b/c": "", "1/a/d": "", "1/e": "" });
  const listed = async (maxItems: number) => {
    const start = await openRequestedDirectory(root.path, jobId(1), "");
    if (start === undefined) throw new Error("The directory is gone");
    try {
      const turns = turnTaking(new ManualClock())();
      return Buffer.concat(await listDirectory(start, { maxDepth: 9, maxItems }, turns)).toString();
    } finally {
      start.directory.close();
    }
  };
  expect(paths(JSON.parse(await listed(6)) as Item)).toEqual(["a/", "a/b/", "a/b/c", "a/d", "e"]);
  await expect(listed(5)).rejects.toThrow(TooManyItemsError);
});

test("sortByBytes() sorts like sort() does, however many there are", async () => {
  const turns = turnTaking(new ManualClock())();
  const seed = Number(process.env.BARTENDER_SEED ?? Math.floor(Math.random() * 2 ** 31));
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state;
  };
  for (const length of [0, 1, 8192, 8193, 30_000]) {
    const texts = Array.from({ length }, () => String.fromCharCode(random() % 256, random() % 256, random() % 256));
    const sorted = [...texts].sort();
    const isSame = (await sortByBytes(texts, turns)).every((text, at) => text === sorted[at]);
    expect({ length, seed, isSame }).toEqual({ length, seed, isSame: true });
  }
});
