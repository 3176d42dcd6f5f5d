import { describe, expect, test } from "bun:test";
import { buildZip, unicodePathExtra } from "../support/zip_builder.ts";
import { archiveRefused, entryRefused, submitZip, textFile } from "../support/zip_submission.ts";

describe("a name in an archive", () => {
  test.each([
    ["a..b.txt", ["a..b.txt"]],
    ["...", ["..."]],
    [".hidden", [".hidden"]],
    ["./a/.//b", ["a", "a/b"]],
    ["archive.zip", ["archive.zip"]],
    ["größe 😀.txt", ["größe 😀.txt"]],
    ["~/x", ["x", "~", "~/x"].slice(1)],
    ["-rf", ["-rf"]],
    ["sub/stdout.txt", ["sub", "sub/stdout.txt"]],
    ["stdout.txt.bak", ["stdout.txt.bak"]],
    ["x".repeat(255), ["x".repeat(255)]],
  ])("may be %p", async (name, paths) => {
    expect(await submitZip(buildZip([textFile(name)]))).toEqual(paths);
  });

  const absolute = "has an absolute path";
  const parent = 'has ".." in its path';
  const backslash = "has a backslash in its name";
  const control = "has a control character in its name";
  const reserved = "has a name that is reserved for the job's output";
  test.each([
    ["/etc/passwd", absolute],
    ["//server/share", absolute],
    ["/", absolute],
    ["C:\\Windows\\x", absolute],
    ["c:/x", absolute],
    ["../x", parent],
    ["..", parent],
    ["a/../../x", parent],
    ["a/../b", parent],
    ["a/..", parent],
    ["..\\x", backslash],
    ["a\\b", backslash],
    ["a\0b", control],
    ["a\nb", control],
    ["a\x7fb", control],
    ["stdout.txt", reserved],
    ["./stderr.txt", reserved],
    ["returncode", reserved],
    ["returncode/x", reserved],
    ["x".repeat(256), "has a name of more than 255 bytes"],
    ["é".repeat(128), "has a name of more than 255 bytes"],
  ])("must not be %p", async (name, reason) => {
    expect(await submitZip(buildZip([textFile("good"), textFile(name)]))).toEqual(
      entryRefused(name.length > 200 ? `${name.slice(0, 200)}…` : name, reason),
    );
  });

  test("must not be missing", async () => {
    expect(await submitZip(buildZip([textFile("")]))).toEqual(archiveRefused("an entry has no name"));
    expect(await submitZip(buildZip([{ name: "", extra: Buffer.from([1, 0, 0, 0]) }]))).toEqual(
      entryRefused("", "has no name"),
    );
  });

  test("of 5,000 characters is refused, and one that is too long only with its directory", async () => {
    const long = Array.from({ length: 625 }, () => "dirname").join("/");
    expect(await submitZip(buildZip([textFile(long)]))).toEqual(
      entryRefused(`${long.slice(0, 200)}…`, "has a path of more than 4096 bytes"),
    );
    const nearly = Array.from({ length: 511 }, () => "dirname").join("/");
    expect(await submitZip(buildZip([textFile(nearly)]))).toEqual([
      422,
      "An archive entry has a path that is too long",
    ]);
  });

  test("is UTF-8 when flagged, and must be valid then", async () => {
    expect(await submitZip(buildZip([{ name: Buffer.from("é"), flags: 0x800 }]))).toEqual(["é"]);
    expect(await submitZip(buildZip([{ name: Buffer.from([0x61, 0xff]), flags: 0x800 }]))).toEqual(
      entryRefused("a\ufffd", "has a name that is not valid UTF-8"),
    );
  });

  test("is code page 437 when not flagged, unless it is UTF-8 from Unix or an extra field has it in UTF-8", async () => {
    const raw = Buffer.from([0x81, 0x2e, 0x74]);
    expect(await submitZip(buildZip([{ name: raw }]))).toEqual(["ü.t"]);
    const utf8 = Buffer.from("ü.t");
    expect(await submitZip(buildZip([{ name: utf8, host: 0 }]))).toEqual(["├╝.t"]);
    expect(await submitZip(buildZip([{ name: utf8, host: 3 }]))).toEqual(["ü.t"]);
    expect(await submitZip(buildZip([{ name: raw, extra: unicodePathExtra(raw, "日本.t") }]))).toEqual(["日本.t"]);
    expect(await submitZip(buildZip([{ name: raw, extra: unicodePathExtra(raw, "../x") }]))).toEqual(
      entryRefused("../x", parent),
    );
    const stale = unicodePathExtra(Buffer.from("other"), "日本.t");
    expect(await submitZip(buildZip([{ name: raw, extra: stale }]))).toEqual(["ü.t"]);
  });
});
