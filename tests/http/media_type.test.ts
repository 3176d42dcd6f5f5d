import { describe, expect, test } from "bun:test";
import { contentDisposition } from "../../src/http/content_disposition.ts";
import { mediaTypeOfArchive, mediaTypeOfFile } from "../../src/http/media_type.ts";

const TEXT = "text/plain; charset=utf-8";
const bytes = (...values: (number | string)[]): Uint8Array =>
  Buffer.concat(values.map((value) => (typeof value === "string" ? Buffer.from(value) : Buffer.from([value]))));

describe("mediaTypeOfFile()", () => {
  test.each([
    ["report.html", "text/html; charset=utf-8"],
    ["REPORT.HTML", "text/html; charset=utf-8"],
    ["io.json", "application/json"],
    ["table.csv", "text/csv; charset=utf-8"],
    ["notes.txt", TEXT],
    ["plot.svg", "image/svg+xml; charset=utf-8"],
    ["plot.png", "image/png"],
    ["model.pdb.gz", "application/gzip"],
    ["page.html.gz", "application/gzip"],
    ["all.tar.gz", "application/gzip"],
    ["all.tgz", "application/gzip"],
    ["all.tar", "application/x-tar"],
    ["all.zip", "application/zip"],
    ["all.bz2", "application/x-bzip2"],
    ["all.xz", "application/x-xz"],
  ])("knows %s by its extension and does not look at it", async (name, expected) => {
    const look = (): never => {
      throw new Error("looked");
    };
    expect(await mediaTypeOfFile(name, async () => look())).toBe(expected);
  });

  test.each([
    ["text", bytes("ATOM   1\n"), TEXT],
    ["an empty file", bytes(), TEXT],
    ["UTF-8", bytes("né 😀\n"), TEXT],
    ["UTF-8 that is cut in a character", bytes("x".repeat(8190), 0xf0, 0x9f), TEXT],
    ["Latin-1", bytes("caf", 0xe9, " and tea for everybody\n"), TEXT],
    ["colours of a terminal", bytes(0x1b, "[31mred\n"), TEXT],
    ["a NUL", bytes("abc", 0, "def"), "application/octet-stream"],
    ["noise", bytes(0xff, 0xfe, 0x9d, 0x81, 0xa0), "application/octet-stream"],
  ])("calls %s with an unknown extension what it is", async (_what, start, expected) => {
    expect(await mediaTypeOfFile("file.unknown", async () => start)).toBe(expected);
    expect(await mediaTypeOfFile("file", async () => start)).toBe(expected);
  });
});

test.each([
  ["5.zip", "application/zip"],
  ["5.tar", "application/x-tar"],
  ["5.tar.gz", "application/x-tar"],
  ["5.tar.xz", "application/x-tar"],
  ["run.1.tar.bz2", "application/x-tar"],
  ["results", TEXT],
  ["results.unknown", TEXT],
  ["results.html", "text/html; charset=utf-8"],
])("mediaTypeOfArchive() goes by the name %s", (name, expected) => {
  expect(mediaTypeOfArchive(name)).toBe(expected);
});

test.each([
  ["output/a_b-c.~1.txt", `inline; filename="output/a_b-c.~1.txt"`],
  ["a b.txt", "inline; filename*=utf-8''a%20b.txt"],
  ['"quoted".txt', "inline; filename*=utf-8''%22quoted%22.txt"],
  ["é/😀.txt", "inline; filename*=utf-8''%C3%A9/%F0%9F%98%80.txt"],
  ["a'(b)!*.txt", "inline; filename*=utf-8''a%27%28b%29%21%2A.txt"],
  ["100%.txt", "inline; filename*=utf-8''100%25.txt"],
  ["a\r\nx: y", "inline; filename*=utf-8''a%0D%0Ax%3A%20y"],
  ["half \ud800", "inline; filename*=utf-8''half%20%EF%BF%BD"],
])("contentDisposition() writes %p", (name, expected) => {
  expect(contentDisposition("inline", name)).toBe(expected);
});
