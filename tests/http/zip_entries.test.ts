import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { tempDir } from "../support/temp_dir.ts";
import { buildZip } from "../support/zip_builder.ts";
import { archiveRefused, entryRefused, submitZip, textFile } from "../support/zip_submission.ts";

describe("an entry of an archive", () => {
  const special = "is a link or a special file";
  test.each([
    ["a symbolic link", 0o120777],
    ["a character device", 0o020666],
    ["a block device", 0o060666],
    ["a FIFO", 0o010666],
    ["a socket", 0o140777],
  ])("must not be %s", async (_, mode) => {
    expect(await submitZip(buildZip([{ name: "x", content: "/etc/passwd", mode }]))).toEqual(
      entryRefused("x", special),
    );
  });

  test.each([
    ["a file twice", [textFile("a"), textFile("a")], entryRefused("a", "occurs twice")],
    ["a file twice in two spellings", [textFile("a/b"), textFile("./a//b")], entryRefused("./a//b", "occurs twice")],
    [
      "a directory twice",
      [textFile("a/"), { name: "a/" }].map(({ name }) => ({ name })),
      entryRefused("a/", "occurs twice"),
    ],
    [
      "a file above a file",
      [textFile("a"), textFile("a/b")],
      entryRefused("a/b", "is a file and a directory at the same time"),
    ],
    [
      "a file below which another was",
      [textFile("a/b/c"), textFile("a/b")],
      entryRefused("a/b", "is a file and a directory at the same time"),
    ],
    [
      "a directory with the name of a file",
      [textFile("a"), { name: "a/" }],
      entryRefused("a/", "is a file and a directory at the same time"),
    ],
    [
      "a file with the name of a directory",
      [{ name: "a/" }, textFile("a")],
      entryRefused("a", "is a file and a directory at the same time"),
    ],
  ])("must not be %s", async (_, entries, refusal) => {
    expect(await submitZip(buildZip(entries))).toEqual(refusal);
  });

  test("may be a directory before or after its files, and the top directory itself", async () => {
    expect(await submitZip(buildZip([{ name: "./" }, { name: "a/" }, textFile("a/b")]))).toEqual(["a", "a/b"]);
    expect(await submitZip(buildZip([textFile("a/b"), { name: "a/" }]))).toEqual(["a", "a/b"]);
    expect(await submitZip(buildZip([{ name: "a", mode: 0o40755 }, textFile("a/b")]))).toEqual(["a", "a/b"]);
  });

  test("may differ from another only by case", async () => {
    expect(await submitZip(buildZip([textFile("a"), textFile("A")]))).toEqual(["A", "a"]);
  });

  test.each([
    ["a case", "Data/a", "data/a"],
    ["the case of directories alone", "Data/a", "data/b"],
    ["a directory and a file", "data/", "DATA"],
    ["composed and decomposed letters", "\u00e9", "e\u0301"],
    ["letters without a simple other case", "stra\u00dfe", "STRASSE"],
  ])("must differ in more than %s where that is configured", async (_what, first, second) => {
    const archive = buildZip([first, second].map((name) => (name.endsWith("/") ? { name } : textFile(name))));
    expect((await submitZip(archive)).length).toBeGreaterThan(1);
    expect(await submitZip(archive, true)).toEqual(
      entryRefused(second, "differs from another one only by case or Unicode form"),
    );
  });

  test("may share directories with others where names have to be distinct", async () => {
    const files = ["d/e/a", "d/e/b", "d/c"].map((name) => textFile(name));
    expect(await submitZip(buildZip([{ name: "d/" }, ...files]), true)).toEqual(["d", "d/c", "d/e", "d/e/a", "d/e/b"]);
  });

  test("that is a directory must not have content", async () => {
    expect(await submitZip(buildZip([textFile("a/")]))).toEqual(entryRefused("a/", "is a directory with content"));
  });

  test("must not be encrypted", async () => {
    expect(await submitZip(buildZip([{ ...textFile("a"), flags: 0x801 }]))).toEqual(entryRefused("a", "is encrypted"));
    expect(await submitZip(buildZip([{ ...textFile("a"), flags: 0x840 }]))).toEqual(
      archiveRefused("strong encryption is not supported"),
    );
    using directory = tempDir();
    writeFileSync(join(directory.path, "a"), "secret");
    execFileSync("zip", ["-q", "-P", "password", "x.zip", "a"], { cwd: directory.path });
    expect(await submitZip(readFileSync(join(directory.path, "x.zip")))).toEqual(entryRefused("a", "is encrypted"));
  });

  test.each([1, 9, 12, 14, 93, 99])("must not be compressed by method %d", async (method) => {
    expect(await submitZip(buildZip([{ ...textFile("a"), method }]))).toEqual(
      entryRefused("a", `is compressed by method ${method}, expected 0 (stored) or 8 (deflated)`),
    );
  });
});

describe("an unusual archive that is sound", () => {
  test("may be empty, or have a comment", async () => {
    expect(await submitZip(buildZip([]))).toEqual([]);
    expect(await submitZip(buildZip([textFile("a")], { comment: "made by hand" }))).toEqual(["a"]);
  });

  test("may have zip64 sizes, data descriptors and extra fields in local headers", async () => {
    const content = "some text";
    expect(
      await submitZip(
        buildZip([
          { name: "zip64", content, isZip64: true },
          { name: "descriptor", content, hasDescriptor: true },
          { name: "extra", content, localExtraLength: 50_000 },
        ]),
      ),
    ).toEqual(["descriptor", "extra", "zip64"]);
  });

  test("may list its entries in another order than it holds them", async () => {
    const files = ["a", "b", "c", "d"].map((name) => textFile(name, name.repeat(1000)));
    expect(await submitZip(buildZip(files, { centralOrder: [2, 0, 3, 1] }))).toEqual(["a", "b", "c", "d"]);
  });

  test("may hold an archive that is a bomb, which stays packed", async () => {
    const bomb = buildZip([{ name: "zeros", content: Buffer.alloc(50_000_000) }]);
    expect(await submitZip(buildZip([{ name: "bomb.zip", content: bomb }]))).toEqual(["bomb.zip"]);
  });

  test("may have thousands of entries", async () => {
    const entries = Array.from({ length: 2000 }, (_, at) => textFile(`${at % 100}/${at}`));
    expect((await submitZip(buildZip(entries))).length).toBe(2100);
  });

  test("of 100,000 entries is not cut down to the number that its end record can hold", async () => {
    const entries = Array.from({ length: 100_000 }, (_, at) => ({ name: `${at % 100}/${at}` }));
    expect(await submitZip(buildZip(entries, { entryCount: 100_000 % 65_536 }))).toEqual(
      archiveRefused("it has more entries than it announces"),
    );
  });

  test("may come from the zip command, with its own names, modes and extra fields", async () => {
    using directory = tempDir();
    execFileSync(
      "sh",
      ["-c", "mkdir -p in/sub && echo x > in/sub/ü.txt && printf '#!/bin/sh' > in/run && chmod 755 in/run"],
      {
        cwd: directory.path,
      },
    );
    execFileSync("zip", ["-qr", "../x.zip", "."], { cwd: join(directory.path, "in") });
    expect(await submitZip(readFileSync(join(directory.path, "x.zip")))).toEqual(["run", "sub", "sub/ü.txt"]);
    const piped = execFileSync("sh", ["-c", "zip -qr - . | cat"], { cwd: join(directory.path, "in") });
    expect(await submitZip(Uint8Array.from(piped))).toEqual(["run", "sub", "sub/ü.txt"]);
  });
});

test("the zip builder makes archives that unzip accepts", () => {
  using directory = tempDir();
  const path = join(directory.path, "x.zip");
  const content = "some text ".repeat(100);
  writeFileSync(
    path,
    buildZip([
      textFile("a", content),
      { name: "b", content, isStored: true },
      { name: "c/" },
      { name: "c/d", content, isZip64: true },
      { name: "e", content, hasDescriptor: true },
    ]),
  );
  expect(execFileSync("unzip", ["-t", path]).toString()).toContain("No errors detected");
  expect(crc32(content)).toBe(crc32(execFileSync("unzip", ["-p", path, "c/d"])));
});
