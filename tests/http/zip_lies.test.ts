import { describe, expect, test } from "bun:test";
import { deflateRawSync } from "node:zlib";
import { buildZip, type ZipEntrySpec } from "../support/zip_builder.ts";
import { archiveRefused, dataRefused, entryRefused, submitZip, textFile } from "../support/zip_submission.ts";

describe("an archive that lies", () => {
  const differently = "is described differently in its local header";
  const text = "some text that compresses, compresses, compresses and compresses";
  test.each([
    ["about the checksum", { ...textFile("a", text), crc32: 1 }, dataRefused("a")],
    ["about the checksum of a stored file", { ...textFile("a", text), isStored: true, crc32: 1 }, dataRefused("a")],
    ["with a size that is too small", { ...textFile("a", text), size: 5 }, dataRefused("a")],
    ["with a size of nothing", { ...textFile("a", text), size: 0 }, dataRefused("a")],
    ["with a size that is too large", { ...textFile("a", text), size: 5000 }, dataRefused("a")],
    [
      "about the size of a stored file",
      { ...textFile("a", text), isStored: true, size: 5 },
      archiveRefused(`compressed/uncompressed size mismatch for stored file: ${text.length} != 5`),
    ],
    [
      "with garbage for data",
      { ...textFile("a", text), data: Buffer.from("\xff\xff\xff\xff", "latin1") },
      dataRefused("a"),
    ],
    [
      "with data that breaks off",
      { ...textFile("a", text), data: deflateRawSync(text).subarray(0, 20) },
      dataRefused("a"),
    ],
    ["about a name in the local header", { ...textFile("a"), localName: "b" }, entryRefused("a", differently)],
    [
      "about a name's length in the local header",
      { ...textFile("a"), localName: "../../a" },
      entryRefused("a", differently),
    ],
    ["about a size in the local header", { ...textFile("a", text), localSize: 1 }, entryRefused("a", differently)],
    [
      "about the checksum in the local header",
      { ...textFile("a", text), localCrc32: 1 },
      entryRefused("a", differently),
    ],
    [
      "about the method in the local header",
      { ...textFile("a", text), localMethod: 0 },
      entryRefused("a", differently),
    ],
  ] satisfies readonly (readonly [string, ZipEntrySpec, readonly unknown[]])[])(
    "%s is refused",
    async (_, spec, refusal) => {
      expect(await submitZip(buildZip([textFile("first"), spec, textFile("last")]))).toEqual(refusal);
    },
  );

  test("about a large file is refused while it is unpacked", async () => {
    const large = Buffer.alloc(3_000_000, "abcdefgh");
    expect(await submitZip(buildZip([{ name: "a", content: large }]))).toEqual(["a"]);
    expect(await submitZip(buildZip([{ name: "a", content: large, size: 400_000 }]))).toEqual(dataRefused("a"));
    expect(await submitZip(buildZip([{ name: "a", content: large, size: 3_000_001 }]))).toEqual(dataRefused("a"));
    expect(await submitZip(buildZip([{ name: "a", content: large, crc32: 5 }]))).toEqual(dataRefused("a"));
    expect(await submitZip(buildZip([{ name: "a", content: large, isStored: true, crc32: 5 }]))).toEqual(
      dataRefused("a"),
    );
    const packed = deflateRawSync(large);
    expect(await submitZip(buildZip([{ name: "a", content: large, data: packed.subarray(0, -5) }]))).toEqual(
      dataRefused("a"),
    );
    packed[10] = 0xff;
    expect(await submitZip(buildZip([{ name: "a", content: large, data: packed }]))).toEqual(dataRefused("a"));
  });

  test("with two entries that share their data is refused", async () => {
    const shared = archiveRefused("two entries share their data");
    const content = "shared";
    expect(await submitZip(buildZip([textFile("a", content), { ...textFile("b", content), sharesDataOf: 0 }]))).toEqual(
      shared,
    );
    const [first, second] = [textFile("a", content), { ...textFile("b", content), sharesDataOf: 0 }];
    expect(await submitZip(buildZip([first, textFile("c"), second]))).toEqual(shared);
  });

  test("with an entry that reaches into the next one, or into the directory, is refused", async () => {
    const inner = buildZip([textFile("b")]);
    const outer = {
      name: "a",
      content: inner,
      isStored: true,
      compressedSize: inner.length + 40,
      size: inner.length + 40,
    };
    expect(await submitZip(buildZip([outer, textFile("c")]))).toEqual(archiveRefused("two entries share their data"));
    expect(await submitZip(buildZip([outer]))).toEqual(archiveRefused("two entries share their data"));
  });

  test("with more entries than it announces is refused, and with fewer", async () => {
    const files = [textFile("a"), textFile("b"), textFile("c")];
    expect(await submitZip(buildZip(files, { entryCount: 2 }))).toEqual(
      archiveRefused("it has more entries than it announces"),
    );
    expect(await submitZip(buildZip(files, { entryCount: 4 }))).toEqual(archiveRefused("unexpected end of file"));
  });

  test("that is cut off or damaged anywhere is refused or harmless, and leaves nothing", async () => {
    const whole = buildZip([textFile("a", text), { ...textFile("b/c", text), isStored: true }]);
    for (let length = 0; length < whole.length; length += 7) {
      expect((await submitZip(whole.subarray(0, length)))[0]).toBe(422);
    }
    for (let at = 0; at < whole.length; at += 3) {
      const spoilt = Buffer.from(whole);
      spoilt[at] = (spoilt[at] ?? 0) ^ 0xff;
      const [first] = await submitZip(spoilt);
      // A flipped time or version changes nothing; every other byte is noticed.
      expect(first).toBeOneOf([422, 413, "a", "b"]);
    }
  });
});
