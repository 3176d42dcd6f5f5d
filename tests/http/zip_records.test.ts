import { expect, test } from "bun:test";
import yauzl from "yauzl";
import { centralRecord, endOfCentralDirectory, type ZipEntry } from "../../src/http/zip_records.ts";

const SMALL: ZipEntry = {
  name: Buffer.from("small.txt"),
  isUtf8: true,
  unixMode: 0o100644,
  modifiedMs: Date.UTC(2024, 1, 29, 12, 34, 56),
  offset: 0,
  isDeflated: false,
  isStreamed: false,
  isZip64: false,
  crc: 1,
  size: 5,
  storedSize: 5,
};

/** Opens a central directory that begins at `start` of an archive whose other bytes are never looked at. */
async function openBack(entries: readonly ZipEntry[], start: number): Promise<yauzl.ZipFile> {
  const directory = Buffer.concat(entries.map(centralRecord));
  const tail = Buffer.concat([directory, endOfCentralDirectory(entries.length, start, directory.length)]);
  class VirtualArchive extends yauzl.RandomAccessReader {
    override read(buffer: Buffer, offset: number, length: number, position: number, done: (error: null) => void): void {
      buffer.fill(0, offset, offset + length);
      tail.copy(
        buffer,
        offset + Math.max(0, start - position),
        Math.max(0, position - start),
        position + length - start,
      );
      queueMicrotask(() => done(null));
    }
  }
  return await new Promise<yauzl.ZipFile>((resolve, reject) => {
    yauzl.fromRandomAccessReader(new VirtualArchive(), start + tail.length, { lazyEntries: true }, (error, file) => {
      if (error === null) resolve(file);
      else reject(error);
    });
  });
}

async function readBack(entries: readonly ZipEntry[], start: number): Promise<readonly yauzl.Entry[]> {
  const zip = await openBack(entries, start);
  const found: yauzl.Entry[] = [];
  await new Promise<void>((resolve, reject) => {
    zip.on("entry", (entry: yauzl.Entry) => {
      found.push(entry);
      zip.readEntry();
    });
    zip.on("end", resolve);
    zip.on("error", reject);
    zip.readEntry();
  });
  return found;
}

const facts = (entry: yauzl.Entry) => ({
  name: entry.fileName,
  size: entry.uncompressedSize,
  storedSize: entry.compressedSize,
  offset: entry.relativeOffsetOfLocalHeader,
});

test("a central directory can be read again", async () => {
  const [entry] = await readBack([SMALL], 100);
  if (entry === undefined) throw new Error("The entry is lost");
  expect(facts(entry)).toEqual({ name: "small.txt", size: 5, storedSize: 5, offset: 0 });
  expect(entry.getLastModDate().getTime()).toBe(SMALL.modifiedMs);
  expect(entry.externalFileAttributes >>> 16).toBe(0o100644);
});

test("sizes, offsets and directories beyond 4 GB can be read again", async () => {
  const large = {
    ...SMALL,
    name: Buffer.from("large"),
    isZip64: true,
    isDeflated: true,
    size: 5e9,
    storedSize: 4.9e9,
    offset: 44,
  };
  const far = { ...SMALL, name: Buffer.from("far"), offset: 5e9 };
  const both = { ...large, name: Buffer.from("both"), offset: 6e9 };
  const edge = { ...SMALL, name: Buffer.from("edge"), offset: 0xffffffff };
  const found = await readBack([SMALL, large, far, both, edge], 12e9);
  expect(found.map(facts)).toEqual([
    { name: "small.txt", size: 5, storedSize: 5, offset: 0 },
    { name: "large", size: 5e9, storedSize: 4.9e9, offset: 44 },
    { name: "far", size: 5, storedSize: 5, offset: 5e9 },
    { name: "both", size: 5e9, storedSize: 4.9e9, offset: 6e9 },
    { name: "edge", size: 5, storedSize: 5, offset: 0xffffffff },
  ]);
});

test.each([65_534, 65_535, 65_536])("%d entries are counted right", async (count) => {
  expect(
    (
      await readBack(
        Array.from({ length: count }, () => SMALL),
        1000,
      )
    ).length,
  ).toBe(count);
});

test("times before 1980 and after 2107 do not disturb", async () => {
  for (const modifiedMs of [0, -1e12, Date.UTC(2200, 0, 1)]) {
    expect((await readBack([{ ...SMALL, modifiedMs }], 0)).map(facts)).toEqual([
      { name: "small.txt", size: 5, storedSize: 5, offset: 0 },
    ]);
  }
});
