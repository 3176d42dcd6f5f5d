import { describe, expect, test } from "bun:test";
import { chmodSync, renameSync, symlinkSync, truncateSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { jobId } from "../../src/core/ids.ts";
import { fileWorld, SECRET } from "../support/file_world.ts";
import { allClosed, openFilesBelow } from "../support/open_files.ts";
import { plantTree } from "../support/planted_tree.ts";
import { unprivileged } from "../support/unprivileged.ts";

const TREE = {
  "b.txt": "hello",
  "output/a.txt": "in output",
  "output/report.html": "<p>",
  "output/model.pdb.gz": new Uint8Array([0x1f, 0x8b, 8, 0]),
  empty: "",
  "with space & é.txt": "odd",
};
const LARGE = Buffer.alloc(1_000_003, "0123456789abcdef");

describe("GET files/{path}", () => {
  test("sends a file with its type, length, validators and an inline disposition", async () => {
    await using files = await fileWorld(TREE);
    utimesSync(join(files.directory, "b.txt"), 1_700_000_000, 1_700_000_000.5);
    const { status, headers, body } = await files.get("/files/b.txt");
    expect(status).toBe(200);
    expect(body.toString()).toBe("hello");
    expect(headers).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "content-length": "5",
      "content-disposition": 'inline; filename="b.txt"',
      "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
      "accept-ranges": "bytes",
    });
    expect(headers.etag).toMatch(/^"[0-9a-f]{32}"$/);
    expect(headers["content-encoding"]).toBeUndefined();
  });

  test("leaves compressed files compressed", async () => {
    await using files = await fileWorld(TREE);
    const { headers, body } = await files.get("/files/output/model.pdb.gz", { "accept-encoding": "gzip" });
    expect(headers["content-type"]).toBe("application/gzip");
    expect(headers["content-encoding"]).toBeUndefined();
    expect([...body]).toEqual([0x1f, 0x8b, 8, 0]);
  });

  test("takes slashes raw and escaped", async () => {
    await using files = await fileWorld(TREE);
    for (const path of ["/files/output/a.txt", "/files/output%2Fa.txt", "/files/%6Futput/a.txt"]) {
      const { status, headers, body } = await files.get(path);
      expect([status, body.toString(), headers["content-disposition"]]).toEqual([
        200,
        "in output",
        'inline; filename="output/a.txt"',
      ]);
    }
  });

  test("sends empty files and files with odd names", async () => {
    await using files = await fileWorld({ ...TREE, "new\nline": "n", "100%25": "p", "back\\slash": "b" });
    expect((await files.get("/files/empty")).headers["content-length"]).toBe("0");
    const odd = await files.get("/files/with%20space%20%26%20%C3%A9.txt");
    expect(odd.headers["content-disposition"]).toBe("inline; filename*=utf-8''with%20space%20%26%20%C3%A9.txt");
    expect((await files.get("/files/new%0Aline")).body.toString()).toBe("n");
    expect((await files.get("/files/100%2525")).body.toString()).toBe("p");
    expect((await files.get("/files/back%5Cslash")).body.toString()).toBe("b");
  });

  test("sends large files whole, with their length", async () => {
    await using files = await fileWorld({ "large.dat": LARGE });
    const { headers, body } = await files.get("/files/large.dat");
    expect(headers["content-length"]).toBe(String(LARGE.length));
    expect(body.equals(LARGE)).toBe(true);
    await allClosed(files.directory);
  });

  test("answers HEAD with the same headers and no body", async () => {
    await using files = await fileWorld({ ...TREE, "large.dat": LARGE });
    for (const path of ["/files/b.txt", "/files/large.dat"]) {
      const [head, get] = [await files.get(path, {}, "HEAD"), await files.get(path)];
      expect(head.status).toBe(200);
      expect(head.body.length).toBe(0);
      for (const name of ["content-type", "content-length", "content-disposition", "etag", "last-modified"]) {
        expect(head.headers[name]).toBe(get.headers[name] as string);
      }
    }
    await allClosed(files.directory);
  });

  test("asks for a token, a job of the caller and its completion before it looks at the path", async () => {
    await using files = await fileWorld(TREE);
    const { world } = files;
    const at = (path: string, headers: Record<string, string> = { ...world.auth() }) =>
      world.app.fetch(new Request(`http://localhost${path}`, { headers }));
    const detail = async (response: Response) => [
      response.status,
      ((await response.json()) as { detail: unknown }).detail,
    ];
    const running = world.jobs.plant({ phase: "running" });
    expect(await detail(await at(`${files.base}/files/b.txt`, {}))).toEqual([403, "Not authenticated"]);
    expect(await detail(await at(`${files.base}/files/b.txt`, world.auth("bob")))).toEqual([404, "Job not found"]);
    expect(await detail(await at("/api/job/77/files/b.txt"))).toEqual([404, "Job not found"]);
    expect(await detail(await at(`/api/job/${running.id}/files/b.txt`))).toEqual([425, "Job has not completed"]);
    expect((await at("/api/job/x/files/b.txt")).status).toBe(422);
    expect(await detail(await at(`${files.base}/files/nope.txt`))).toEqual([404, "File not found"]);
  });

  test("redirects from files to files/", async () => {
    await using files = await fileWorld(TREE);
    const { status, headers } = await files.get("/files");
    expect([status, headers.location]).toEqual([307, `${files.url}${files.base}/files/`]);
  });
});

describe("ranges", () => {
  test.each([
    ["bytes=0-4", 0, 5],
    ["bytes=10-", 10, LARGE.length],
    ["bytes=-7", LARGE.length - 7, LARGE.length],
    ["bytes=5-900000", 5, 900_001],
    ["bytes=0-", 0, LARGE.length],
  ])("%s gives that part", async (range, start, end) => {
    await using files = await fileWorld({ "large.dat": LARGE });
    const { status, headers, body } = await files.get("/files/large.dat", { range });
    expect(status).toBe(206);
    expect(headers["content-range"]).toBe(`bytes ${start}-${end - 1}/${LARGE.length}`);
    expect(headers["content-length"]).toBe(String(end - start));
    expect(body.equals(LARGE.subarray(start, end))).toBe(true);
  });

  test.each(["bytes=0-1,5-6", "bytes=9-2", "lines=0-1", "bytes=x"])("%s is ignored", async (range) => {
    await using files = await fileWorld({ "large.dat": LARGE });
    const { status, headers, body } = await files.get("/files/large.dat", { range });
    expect([status, headers["content-length"], headers["content-range"]]).toEqual([
      200,
      String(LARGE.length),
      undefined,
    ]);
    expect(body.equals(LARGE)).toBe(true);
  });

  test("behind the end is refused with the size", async () => {
    await using files = await fileWorld(TREE);
    const { status, headers, body } = await files.get("/files/b.txt", { range: "bytes=5-" });
    expect([status, headers["content-range"]]).toEqual([416, "bytes */5"]);
    expect(JSON.parse(body.toString())).toEqual({ detail: "Requested range not satisfiable" });
    expect((await files.get("/files/empty", { range: "bytes=0-" })).status).toBe(416);
  });

  test("is honoured with If-Range of this version only", async () => {
    await using files = await fileWorld({ "large.dat": LARGE });
    const { headers } = await files.get("/files/large.dat", {}, "HEAD");
    const status = async (ifRange: string) =>
      (await files.get("/files/large.dat", { range: "bytes=0-4", "if-range": ifRange })).status;
    expect(await status(headers.etag ?? "")).toBe(206);
    expect(await status(headers["last-modified"] ?? "")).toBe(206);
    expect(await status('"another"')).toBe(200);
    expect(await status("Mon, 01 Jan 2001 00:00:00 GMT")).toBe(200);
    expect(await status(`W/${headers.etag}`)).toBe(200);
  });
});

describe("conditional requests", () => {
  test("If-None-Match with this version gives 304 without a body", async () => {
    await using files = await fileWorld(TREE);
    const { headers } = await files.get("/files/b.txt");
    const { etag = "" } = headers;
    for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      const answer = await files.get("/files/b.txt", { "if-none-match": tags });
      expect([answer.status, answer.body.length, answer.headers.etag]).toEqual([304, 0, etag]);
    }
    expect((await files.get("/files/b.txt", { "if-none-match": '"x"' })).status).toBe(200);
  });

  test("If-Modified-Since counts when there is no If-None-Match", async () => {
    await using files = await fileWorld(TREE);
    utimesSync(join(files.directory, "b.txt"), 1_700_000_000, 1_700_000_000.9);
    const status = async (headers: Record<string, string>) => (await files.get("/files/b.txt", headers)).status;
    const [same, earlier] = ["Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:19 GMT"];
    expect(await status({ "if-modified-since": same })).toBe(304);
    expect(await status({ "if-modified-since": earlier })).toBe(200);
    expect(await status({ "if-modified-since": "no date" })).toBe(200);
    expect(await status({ "if-modified-since": same, "if-none-match": '"x"' })).toBe(200);
  });

  test("the ETag changes with content of the same size and with a file put in its place", async () => {
    await using files = await fileWorld(TREE);
    const etag = async () => (await files.get("/files/b.txt")).headers.etag;
    const first = await etag();
    utimesSync(join(files.directory, "b.txt"), 1_700_000_000, 1_700_000_000.000_001);
    const second = await etag();
    plantTree(files.directory, { new: "HELLO" });
    utimesSync(join(files.directory, "new"), 1_700_000_000, 1_700_000_000.000_001);
    renameSync(join(files.directory, "new"), join(files.directory, "b.txt"));
    expect(new Set([first, second, await etag()]).size).toBe(3);
  });
});

describe("paths", () => {
  test.each([
    "..%2F2%2Fx",
    "..%2F..%2Fetc%2Fpasswd",
    "..%252F2%252Fx",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "~/x",
    "~root/x",
    "output%2F..%2F..%2F2%2Fx",
    "nope%2f..%2f..%2f2%2fx",
    "b.txt%00",
    "%00",
    "a%00b.txt",
    "",
    ".",
    "./",
    "output",
    "output/",
    "nope",
    "b.txt/x",
    "link-out",
    "link-up",
    "dir-out/secret.txt",
    "dangling",
    "loop",
    "pipe",
    "relative-out",
    `${"a".repeat(300)}`,
    `${"a/".repeat(3000)}b`,
    "%ff%fe",
  ])("files/%s is not found", async (path) => {
    await using files = await fileWorld({
      ...TREE,
      "link-up": { link: ".." },
      dangling: { link: "nowhere" },
      loop: { link: "loop" },
      pipe: { make: "fifo" },
      "relative-out": { link: "../2/x" },
    });
    plantTree(files.directory, {
      "link-out": { link: join(files.outside, "secret.txt") },
      "dir-out": { link: files.outside },
    });
    plantTree(files.world.jobs.directory(files.world.jobs.plant({})), { x: SECRET });
    const { status, body } = await files.get(`/files/${path}`);
    expect([status, body.toString()]).toEqual([404, '{"detail":"File not found"}']);
    await allClosed(files.directory);
  });

  test.each(["../2/x", "%2e%2e/2/x", "output/../../2/x"])(
    "files/%s is not found, though the server may have resolved the dots itself",
    async (path) => {
      await using files = await fileWorld(TREE);
      plantTree(files.world.jobs.directory(files.world.jobs.plant({})), { x: SECRET });
      expect((await files.get(`/files/${path}`)).status).toBe(404);
    },
  );

  test.each([
    ["./b.txt", "b.txt"],
    ["output/../b.txt", "b.txt"],
    ["output%2F..%2Fb.txt", "b.txt"],
    ["nope/../b.txt", "b.txt"],
    ["output//.//a.txt", "output/a.txt"],
    ["b.txt/", "b.txt"],
    ["link-in", "link-in"],
    ["dir-in/a.txt", "dir-in/a.txt"],
    ["deep/link-abs", "deep/link-abs"],
    ["dir-in/../b.txt", "b.txt"],
  ])("files/%s is accepted and shown as %s", async (path, shown) => {
    await using files = await fileWorld({
      ...TREE,
      "link-in": { link: "output/a.txt" },
      "dir-in": { link: "./output" },
    });
    plantTree(files.directory, { "deep/link-abs": { link: join(files.directory, "b.txt") } });
    const { status, headers } = await files.get(`/files/${path}`);
    expect([status, headers["content-disposition"]]).toEqual([200, `inline; filename="${shown}"`]);
  });

  test("lead through a job directory that is a link itself", async () => {
    await using files = await fileWorld(TREE);
    const linked = files.world.jobs.plant({ id: jobId(50) });
    renameSync(files.world.jobs.directory(linked), join(files.outside, "target"));
    symlinkSync(join(files.outside, "target"), files.world.jobs.directory(linked));
    plantTree(join(files.outside, "target"), {
      "x.txt": "linked",
      out: { link: "../secret.txt" },
      in: { link: "x.txt" },
    });
    const get = async (path: string) => {
      const response = await files.world.app.fetch(
        new Request(`http://localhost/api/job/50/files/${path}`, { headers: files.world.auth() }),
      );
      return [response.status, await response.text()];
    };
    expect(await get("x.txt")).toEqual([200, "linked"]);
    expect(await get("in")).toEqual([200, "linked"]);
    expect(await get("out")).toEqual([404, '{"detail":"File not found"}']);
  });

  test("to a file that may not be read are not found", async () => {
    await using files = await fileWorld(TREE);
    chmodSync(join(files.directory, "b.txt"), 0);
    const { status } = await unprivileged(files.directory, () => files.get("/files/b.txt"));
    expect(status).toBe(404);
    expect((await unprivileged(files.directory, () => files.get("/files/output/a.txt"))).status).toBe(200);
  });

  test("in a job whose directory is gone are not found", async () => {
    await using files = await fileWorld(TREE);
    renameSync(files.directory, join(files.outside, "moved"));
    expect((await files.get("/files/b.txt")).status).toBe(404);
  });
});

describe("downloads", () => {
  test("that are given up leave no open file behind", async () => {
    await using files = await fileWorld({});
    plantTree(files.directory, { "large.dat": Buffer.alloc(40_000_000) });
    for (let round = 0; round < 5; round++) {
      const abort = new AbortController();
      const response = await files.fetch("/files/large.dat", { signal: abort.signal });
      await response.body?.getReader().read();
      abort.abort();
    }
    await allClosed(files.directory);
  });

  test("of one file at the same time are all whole", async () => {
    await using files = await fileWorld({ "large.dat": LARGE });
    const answers = await Promise.all(Array.from({ length: 20 }, () => files.get("/files/large.dat")));
    expect(answers.every(({ body }) => body.equals(LARGE))).toBe(true);
    await allClosed(files.directory);
  });

  test("read in pieces without a server that sends files, and are closed when given up", async () => {
    await using files = await fileWorld({ "large.dat": LARGE });
    const ask = () =>
      files.world.app.fetch(
        new Request(`http://localhost${files.base}/files/large.dat`, { headers: files.world.auth() }),
      );
    expect(Buffer.from(await (await ask()).arrayBuffer()).equals(LARGE)).toBe(true);
    const reader = (await ask()).body?.getReader();
    await reader?.read();
    expect(openFilesBelow(files.directory)).toBe(1);
    await reader?.cancel();
    await allClosed(files.directory);
  });

  test("of a file that becomes shorter break", async () => {
    await using files = await fileWorld({ "large.dat": LARGE });
    const response = await files.world.app.fetch(
      new Request(`http://localhost${files.base}/files/large.dat`, { headers: files.world.auth() }),
    );
    truncateSync(join(files.directory, "large.dat"), 300_000);
    await expect(response.arrayBuffer()).rejects.toThrow("shorter");
    await allClosed(files.directory);
  });
});
