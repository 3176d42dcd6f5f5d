import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileWorld } from "../support/file_world.ts";
import { allClosed } from "../support/open_files.ts";
import { listed, unpacked } from "../support/unpacked_archive.ts";

const FORMATS = [".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.bz2"];

const LARGE = "0123456789abcdef".repeat(20_000);

const TREE = {
  "stdout.txt": "out",
  "stderr.txt": "",
  "input/data.csv": "1,2",
  "output/large.dat": LARGE,
  "output/stdout.txt": "another",
  "output/sub/a.txt": "a",
  "output/sub/run.1/b.txt": "b",
  "output/empty": { make: "directory" },
  Zebra: "z",
} as const;

const EVERYTHING = {
  Zebra: "z",
  "input/": null,
  "input/data.csv": "1,2",
  "output/": null,
  "output/empty/": null,
  "output/large.dat": LARGE,
  "output/stdout.txt": "another",
  "output/sub/": null,
  "output/sub/a.txt": "a",
  "output/sub/run.1/": null,
  "output/sub/run.1/b.txt": "b",
  "stderr.txt": "",
  "stdout.txt": "out",
};

describe.each(FORMATS)("an archive in the format %s", (format) => {
  test("holds every directory and file, sorted by code point, directories before their content", async () => {
    await using files = await fileWorld(TREE);
    const { status, headers, body } = await files.get(`/archive?archive_format=${format}`);
    expect(status).toBe(200);
    expect(headers["content-disposition"]).toBe(`attachment; filename="1${format}"`);
    expect(headers["content-type"]).toBe(format === ".zip" ? "application/zip" : "application/x-tar");
    expect(headers["content-encoding"]).toBeUndefined();
    expect(unpacked(body, format)).toEqual(EVERYTHING);
    expect(listed(body, format)).toEqual(Object.keys(EVERYTHING));
  });

  test("is the same every time", async () => {
    await using files = await fileWorld(TREE);
    const ask = async () => (await files.get(`/archive?archive_format=${format}`)).body;
    expect((await ask()).equals(await ask())).toBe(true);
  });

  test("of a sub directory has paths relative to it and its name", async () => {
    await using files = await fileWorld(TREE);
    for (const path of ["output/sub", "output%2Fsub", "output/sub/", "input/..%2Foutput/./sub"]) {
      const { headers, body } = await files.get(`/archive/${path}?archive_format=${format}`);
      expect(headers["content-disposition"]).toBe(`attachment; filename="sub${format}"`);
      expect(unpacked(body, format)).toEqual({ "a.txt": "a", "run.1/": null, "run.1/b.txt": "b" });
    }
    const dotted = await files.get(`/archive/output/sub/run.1?archive_format=${format}`);
    expect(dotted.headers["content-disposition"]).toBe(`attachment; filename="run.1${format}"`);
  });

  test("with everything excluded is valid and empty", async () => {
    await using files = await fileWorld(TREE);
    const { status, body } = await files.get(`/archive?archive_format=${format}&exclude=*&exclude_dirs=*`);
    expect(status).toBe(200);
    expect(unpacked(body, format)).toEqual({});
    expect(listed(body, format)).toEqual([]);
  });

  test("stores links inside the job as links and leaves out everything else that is no file", async () => {
    await using files = await fileWorld({
      "a.txt": "a",
      "d/b.txt": "b",
      "d/to-a": { link: "../a.txt" },
      "to-d": { link: "d" },
      dangling: { link: "nowhere" },
      loop: { link: "loop" },
      up: { link: ".." },
      pipe: { make: "fifo" },
    });
    symlinkSync(join(files.outside, "secret.txt"), join(files.directory, "secret"));
    symlinkSync(files.outside, join(files.directory, "d/outside"));
    symlinkSync(join(files.directory, "a.txt"), join(files.directory, "d/absolute"));
    const { body } = await files.get(`/archive?archive_format=${format}`);
    expect(unpacked(body, format)).toEqual({
      "a.txt": "a",
      "d/": null,
      "d/absolute": "-> ../a.txt",
      "d/b.txt": "b",
      "d/to-a": "-> ../a.txt",
      "to-d": "-> d",
    });
    expect(body.includes("secret")).toBe(false);
    await allClosed(files.directory);
  });

  test("keeps names of every kind", async () => {
    const long = `${"x".repeat(200)}/${"y".repeat(200)}/${"é".repeat(100)}.txt`;
    const names = ["-rf", "--checkpoint=1", "a b", "@list", "quote'\"", "back\\slash", "$HOME", "😀.txt", " ", long];
    // unzip shows control characters in another way.
    if (format !== ".zip") names.push("new\nline");
    await using files = await fileWorld(Object.fromEntries(names.map((name) => [name, name])));
    const { body } = await files.get(`/archive?archive_format=${format}`);
    const content = unpacked(body, format);
    for (const name of names) expect(content[name]).toBe(name);
  });

  test("keeps permissions and times", async () => {
    await using files = await fileWorld({ "run.sh": "#!/bin/sh\n", "data.txt": LARGE });
    chmodSync(join(files.directory, "run.sh"), 0o755);
    chmodSync(join(files.directory, "data.txt"), 0o640);
    utimesSync(join(files.directory, "data.txt"), 1_700_000_000, 1_700_000_000);
    const { body } = await files.get(`/archive?archive_format=${format}`);
    const file = join(files.outside, `archive${format}`);
    writeFileSync(file, body);
    const [program, ...args] =
      format === ".zip" ? (["unzip", "-Z", "-T", file] as const) : (["tar", "-tvf", file, "--utc"] as const);
    const text = String(spawnSync(program, args, { env: { ...process.env, TZ: "UTC" } }).stdout);
    expect(text).toMatch(/-rwxr-xr-x.*run\.sh/);
    expect(text).toMatch(/-rw-r-----.*(20231114\.221320|2023-11-14 22:13).*data\.txt/);
  });
});

test("an archive in the format .tar keeps names that are not UTF-8", async () => {
  await using files = await fileWorld({});
  const name = Buffer.from([0x61, 0xff, 0xe9, 0x62]);
  writeFileSync(Buffer.concat([Buffer.from(`${files.directory}/`), name]), "odd");
  const { body } = await files.get("/archive?archive_format=.tar");
  expect(body.subarray(0, 5)).toEqual(Buffer.concat([name, Buffer.alloc(1)]));
});

describe("exclude and exclude_dirs", () => {
  const ask = async (query: string, path = ""): Promise<readonly string[]> => {
    await using files = await fileWorld(TREE);
    const { status, body } = await files.get(`/archive${path}?archive_format=.tar&${query}`);
    expect(status).toBe(200);
    return listed(body, ".tar");
  };

  test("leave out files by name at any depth, each as often as given", async () => {
    expect(await ask("exclude=stdout.txt&exclude=*.csv&exclude=Zebra&exclude=large.*")).toEqual([
      "input/",
      "output/",
      "output/empty/",
      "output/sub/",
      "output/sub/a.txt",
      "output/sub/run.1/",
      "output/sub/run.1/b.txt",
      "stderr.txt",
    ]);
  });

  test("leave out directories with all below", async () => {
    expect(await ask("exclude_dirs=sub&exclude_dirs=inp*")).toEqual([
      "Zebra",
      "output/",
      "output/empty/",
      "output/large.dat",
      "output/stdout.txt",
      "stderr.txt",
      "stdout.txt",
    ]);
  });

  test.each([
    "exclude=output/sub/a.txt",
    "exclude=output",
    "exclude=sub",
    "exclude_dirs=output/sub",
    "exclude_dirs=a.txt",
    "exclude_dirs=zebra&exclude=zebra",
    "exclude=&exclude_dirs=",
    "exclude=[",
  ])("leave out nothing with %s", async (query) => {
    expect(await ask(query)).toEqual(Object.keys(EVERYTHING));
  });

  test("do not test the starting directory", async () => {
    expect(await ask("exclude_dirs=sub&exclude_dirs=output", "/output/sub")).toEqual([
      "a.txt",
      "run.1/",
      "run.1/b.txt",
    ]);
  });

  test("take links for what they lead to", async () => {
    await using files = await fileWorld({ ...TREE, "link-dir": { link: "input" }, "link-file": { link: "Zebra" } });
    const names = async (query: string) =>
      listed((await files.get(`/archive?archive_format=.tar&${query}`)).body, ".tar").filter((name) =>
        name.startsWith("link"),
      );
    expect(await names("exclude=link-*")).toEqual(["link-dir"]);
    expect(await names("exclude_dirs=link-*")).toEqual(["link-file"]);
  });
});

describe("the headers of an archive", () => {
  test.each([
    ["", "1.zip", "application/zip"],
    ["?filename=", "1.zip", "application/zip"],
    ["?filename=haddock3-5.zip", "haddock3-5.zip", "application/zip"],
    ["?filename=results&archive_format=.tar.gz", "results", "text/plain; charset=utf-8"],
    ["?filename=a.tar.gz&archive_format=.zip", "a.tar.gz", "application/x-tar"],
  ])("%s names it %s", async (query, name, type) => {
    await using files = await fileWorld({});
    const { headers } = await files.get(`/archive${query}`);
    expect([headers["content-disposition"], headers["content-type"]]).toEqual([`attachment; filename="${name}"`, type]);
  });

  test("encode a name that is not plain", async () => {
    await using files = await fileWorld({ "odd é dir/x": "" });
    const named = await files.get(`/archive?filename=${encodeURIComponent('a "b".zip')}`);
    expect(named.headers["content-disposition"]).toBe("attachment; filename*=utf-8''a%20%22b%22.zip");
    const path = await files.get(`/archive/${encodeURIComponent("odd é dir")}?archive_format=.tar`);
    expect(path.headers["content-disposition"]).toBe("attachment; filename*=utf-8''odd%20%C3%A9%20dir.tar");
  });

  test("come without a body for HEAD, and leave nothing open", async () => {
    await using files = await fileWorld(TREE);
    const { status, headers, body } = await files.get("/archive", {}, "HEAD");
    expect([status, headers["content-disposition"], body.length]).toEqual([200, 'attachment; filename="1.zip"', 0]);
    // Nobody knows it before the archive is made.
    expect(headers["content-length"]).toBeUndefined();
    await allClosed(files.directory);
  });
});

describe("an archive is refused", () => {
  test("in an unknown format, with a list error", async () => {
    await using files = await fileWorld(TREE);
    for (const given of ["zip", ".rar", "", ".ZIP"]) {
      const { status, body } = await files.get(`/archive?archive_format=${given}`);
      expect(status).toBe(422);
      expect(JSON.parse(body.toString())).toEqual({
        detail: [
          {
            loc: ["query", "archive_format"],
            msg: "unexpected value; permitted: '.zip', '.tar', '.tar.xz', '.tar.gz', '.tar.bz2'",
            type: "value_error.const",
            ctx: { given, permitted: [".zip", ".tar", ".tar.xz", ".tar.gz", ".tar.bz2"] },
          },
        ],
      });
    }
  });

  test.each(["output/large.dat", "nope", "..%2F2", "%2Fetc", "out", "out/sub", "%00"])(
    "for %s, which is no directory of the job",
    async (path) => {
      await using files = await fileWorld(TREE);
      symlinkSync(files.outside, join(files.directory, "out"));
      const { status, body } = await files.get(`/archive/${path}`);
      expect([status, body.toString()]).toEqual([404, '{"detail":"File not found"}']);
      await allClosed(files.directory);
    },
  );

  test("for a job that is not completed, and for one of somebody else", async () => {
    await using files = await fileWorld(TREE);
    const { world, base } = files;
    const running = world.jobs.plant({ phase: "running" });
    const at = async (path: string, user = "alice") =>
      (await world.app.fetch(new Request(`http://localhost${path}`, { headers: world.auth(user) }))).status;
    expect(await at(`/api/job/${running.id}/archive`)).toBe(425);
    expect(await at(`${base}/archive`, "bob")).toBe(404);
    renameSync(files.directory, join(files.outside, "moved"));
    expect(await at(`${base}/archive`)).toBe(404);
  });
});

test("nothing is written into the job or beside it, and a file named like the archive survives", async () => {
  await using files = await fileWorld({ ...TREE, "output.zip": "mine" });
  const before = files.world.leftovers();
  await Promise.all([files.get("/archive/output"), files.get("/archive/output"), files.get("/archive")]);
  expect(files.world.leftovers()).toEqual(before);
  expect((await files.get("/files/output.zip")).body.toString()).toBe("mine");
});

test("directories that are too deep are left out and logged", async () => {
  await using files = await fileWorld({});
  const script = "for _ in $(seq 520); do mkdir d && cd d && echo x > f; done";
  expect(spawnSync("sh", ["-c", script], { cwd: files.directory }).status).toBe(0);
  mkdirSync(join(files.directory, "e"));
  const { body } = await files.get("/archive?archive_format=.tar");
  expect(listed(body, ".tar").filter((path) => path.endsWith("f")).length).toBe(500);
  expect(listed(body, ".tar").at(-1)).toBe("e/");
  expect(files.world.logger.lines.filter(({ message }) => message.includes("left out")).length).toBe(1);
  await allClosed(files.directory);
});
