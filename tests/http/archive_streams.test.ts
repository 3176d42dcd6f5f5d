import { describe, expect, test } from "bun:test";
import { randomFillSync } from "node:crypto";
import { appendFileSync, linkSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import yauzl from "yauzl";
import { MAX_PARALLEL_ARCHIVES } from "../../src/http/routes_archive.ts";
import { childrenRunning } from "../support/child_processes.ts";
import { eventually } from "../support/eventually.ts";
import { type FileWorld, fileWorld } from "../support/file_world.ts";
import { allClosed, openFilesBelow } from "../support/open_files.ts";
import { listed, unpacked } from "../support/unpacked_archive.ts";

/** Files of noise, which cannot be compressed: so many bytes are sent as well. */
function plantNoise(directory: string, files: number, bytesEach: number): void {
  const noise = randomFillSync(new Uint8Array(bytesEach));
  for (let n = 0; n < files; n++) writeFileSync(join(directory, `noise${n}.dat`), noise);
}

/** Asks for an archive and reads its first bytes only. */
async function begun(files: FileWorld, format: string) {
  const abort = new AbortController();
  const response = await files.fetch(`/archive?archive_format=${format}`, { signal: abort.signal });
  const reader = response.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  expect([response.status, (value?.length ?? 0) > 0]).toEqual([200, true]);
  return { abort, reader };
}

const isReleased = (files: FileWorld) => () => openFilesBelow(files.directory) === 0;

describe.each([".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])("a client that leaves an archive %s", (format) => {
  test("leaves no process and no open file behind", async () => {
    await using files = await fileWorld({});
    plantNoise(files.directory, 3, 20_000_000);
    const { abort } = await begun(files, format);
    expect(openFilesBelow(files.directory)).toBeGreaterThan(0);
    abort.abort();
    await eventually("closed files", isReleased(files));
    await eventually("ended children", () => [...childrenRunning("xz"), ...childrenRunning("bzip2")].length === 0);
    expect(files.world.logger.lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});

describe("many archives at a time", () => {
  test("are all whole", async () => {
    await using files = await fileWorld({ "a.txt": "a", "d/b.txt": "b".repeat(100_000) });
    const bodies = await Promise.all(
      Array.from({ length: MAX_PARALLEL_ARCHIVES }, () => files.get("/archive?archive_format=.tar.gz")),
    );
    for (const { status, body } of bodies) {
      expect(status).toBe(200);
      expect(Object.keys(unpacked(body, ".tar.gz"))).toEqual(["a.txt", "d/", "d/b.txt"]);
    }
  });

  test("are refused beyond the limit, with Retry-After, until one ends", async () => {
    await using files = await fileWorld({});
    plantNoise(files.directory, 2, 30_000_000);
    const running = await Promise.all(Array.from({ length: MAX_PARALLEL_ARCHIVES }, () => begun(files, ".tar")));
    const { status, headers, body } = await files.get("/archive");
    expect([status, headers["retry-after"]]).toEqual([503, "10"]);
    expect(JSON.parse(body.toString())).toEqual({
      detail: "Too many archives are being made, please try again later",
    });
    running[0]?.abort.abort();
    await eventually("room for one more", async () => (await files.get("/archive?exclude=*")).status === 200);
    for (const { abort } of running) abort.abort();
    await eventually("closed files", isReleased(files));
  });

  test("that nobody reads are given up after two minutes", async () => {
    await using files = await fileWorld({});
    plantNoise(files.directory, 2, 30_000_000);
    const { reader } = await begun(files, ".tar");
    await eventually("a full connection", () => files.world.clock.nextInMs() === 120_000);
    await files.world.clock.advance(119_999);
    expect(openFilesBelow(files.directory)).toBeGreaterThan(0);
    await files.world.clock.advance(1);
    await eventually("closed files", isReleased(files));
    const readAll = async () => {
      while (!(await reader?.read())?.done);
    };
    await expect(readAll()).rejects.toThrow();
  });
});

describe("when something goes wrong", () => {
  test("a compressor that is killed breaks the connection, so that nobody takes the part for the whole", async () => {
    await using files = await fileWorld({});
    plantNoise(files.directory, 2, 20_000_000);
    const { reader } = await begun(files, ".tar.xz");
    const [pid] = childrenRunning("xz");
    if (pid === undefined) throw new Error("xz does not run");
    process.kill(pid, "SIGKILL");
    const readAll = async () => {
      while (!(await reader?.read())?.done);
    };
    await expect(readAll()).rejects.toThrow();
    await eventually("closed files", isReleased(files));
    const messages = files.world.logger.lines.filter(({ level }) => level === "error").map(({ message }) => message);
    expect(messages).toEqual(["An archive could not be finished"]);
  });

  test.each([".zip", ".tar"])("a file that shrinks or grows meanwhile leaves an archive %s valid", async (format) => {
    await using files = await fileWorld({});
    plantNoise(files.directory, 1, 30_000_000);
    writeFileSync(join(files.directory, "z-last.txt"), "last");
    for (const change of [
      (path: string) => truncateSync(path, 20_000_000),
      (path: string) => appendFileSync(path, Buffer.alloc(1_000_000)),
    ]) {
      const response = await files.fetch(`/archive?archive_format=${format}`);
      const reader = response.body?.getReader();
      const pieces: Uint8Array[] = [];
      const { value } = (await reader?.read()) ?? {};
      if (value !== undefined) pieces.push(value);
      change(join(files.directory, "noise0.dat"));
      for (;;) {
        const next = await reader?.read();
        if (next?.value === undefined) break;
        pieces.push(next.value);
      }
      const content = unpacked(Buffer.concat(pieces), format);
      expect(Object.keys(content)).toEqual(["noise0.dat", "z-last.txt"]);
      expect(content["z-last.txt"]).toBe("last");
    }
  });

  test("a missing program is a clear 501", async () => {
    await using files = await fileWorld({ "a.txt": "a" });
    const path = process.env.PATH;
    process.env.PATH = files.outside;
    try {
      for (const [format, program] of [
        [".tar.xz", "xz"],
        [".tar.bz2", "bzip2"],
      ]) {
        const { status, body } = await files.get(`/archive?archive_format=${format}`);
        expect(status).toBe(501);
        expect(JSON.parse(body.toString())).toEqual({
          detail: `This server cannot make such archives, as ${program} is not installed`,
        });
      }
      expect((await files.get("/archive?archive_format=.tar.gz")).status).toBe(200);
      await allClosed(files.directory);
    } finally {
      process.env.PATH = path;
    }
  });
});

describe("large archives", () => {
  test("of more than 65,535 files are in order and complete", async () => {
    await using files = await fileWorld({});
    const count = 65_540;
    mkdirSync(join(files.directory, "many"));
    const path = (n: number) => join(files.directory, "many", String(n).padStart(5, "0"));
    // Further names of a file cost less than files; ext4 lets one have 65,000 of them.
    const group = 1_000;
    for (let n = 0; n < count; n++) {
      if (n % group === 0) writeFileSync(path(n), "");
      else linkSync(path(n - (n % group)), path(n));
    }
    const { body } = await files.get("/archive");
    const paths = listed(body, ".zip");
    expect(paths.length).toBe(count + 1);
    expect(paths).toEqual([...paths].sort());
    const zip = await yauzl.fromBufferPromise(body, { lazyEntries: true });
    expect(zip.entryCount).toBe(count + 1);
    zip.close();
  }, 60_000);

  test("need no memory for what they hold", async () => {
    await using files = await fileWorld({});
    plantNoise(files.directory, 20, 10_000_000);
    for (const format of [".tar", ".zip"]) {
      Bun.gc(true);
      const before = process.memoryUsage().rss;
      let [peak, bytes] = [0, 0];
      const response = await files.fetch(`/archive?archive_format=${format}`);
      for await (const piece of response.body ?? []) {
        bytes += piece.length;
        peak = Math.max(peak, process.memoryUsage.rss());
      }
      expect(bytes).toBeGreaterThan(200_000_000);
      expect((peak - before) / 1e6).toBeLessThan(150);
    }
  }, 60_000);
});
