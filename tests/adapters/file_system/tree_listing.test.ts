import { expect, test } from "bun:test";
import {
  copyOf,
  firstDifference,
  isCopy,
  isPlainPath,
  keptTarget,
  type ListedEntry,
} from "../../../adapters/file_system/tree_listing.ts";

const FILE = { path: "f", mode: 0o644, modifiedS: 1_700_000_000, type: "file", size: 5 } as const;
const LINK = { path: "l", mode: 0o777, modifiedS: 0, type: "link", target: "f" } as const;
const DIRECTORY = { path: "d", mode: 0o500, modifiedS: 0, type: "directory" } as const;

const listing = (...entries: ListedEntry[]) => new Map(entries.map((entry) => [entry.path, entry]));

test("a copy is told from its original and from all that is changed", () => {
  const copy = copyOf(FILE);
  expect(isCopy(FILE, copy)).toBe(true);
  expect(isCopy(FILE, FILE)).toBe(false);
  expect(isCopy(FILE, { ...copy, size: 6 })).toBe(false);
  expect(isCopy(FILE, { ...copy, modifiedS: copy.modifiedS + 1 })).toBe(false);
  expect(isCopy(FILE, DIRECTORY)).toBe(false);
  expect(isCopy(FILE, undefined)).toBe(false);
  expect(isCopy(LINK, { ...LINK, modifiedS: 9 })).toBe(true);
  expect(isCopy(LINK, { ...LINK, target: "g" })).toBe(false);
  expect(isCopy(DIRECTORY, { ...DIRECTORY, mode: 0o700 })).toBe(true);
});

test("a copy can be used by its owner, and runs for nobody else than its caller", () => {
  expect(copyOf({ ...FILE, mode: 0o6755 }).mode).toBe(0o755);
  expect(copyOf({ ...FILE, mode: 0o000 }).mode).toBe(0o600);
  expect(copyOf<ListedEntry>(DIRECTORY).mode).toBe(0o700);
});

test("copies differ when one is missing, changed, or too many", () => {
  const originals = listing(FILE, LINK);
  expect(firstDifference(originals, listing(copyOf(FILE), LINK))).toBeUndefined();
  expect(firstDifference(originals, listing(LINK))).toBe("f");
  expect(firstDifference(originals, listing(copyOf(FILE), { ...LINK, target: "x" }))).toBe("l");
  expect(firstDifference(originals, listing(copyOf(FILE), LINK, DIRECTORY))).toBe("d");
});

test.each(["a", "a/b", "...", "a b", "-rf", "a\n", "\xff", ".hidden"])("%j is a plain path", (path) => {
  expect(isPlainPath(path)).toBe(true);
});

test.each(["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\0b", "n".repeat(256)])(
  "%j is no plain path",
  (path) => {
    expect(isPlainPath(path)).toBe(false);
  },
);

test.each([
  ["l", "f", "f"],
  ["l", "./a//b", "./a//b"],
  ["d/l", "../f", "../f"],
  ["d/e/l", "../../f", "../../f"],
  ["d/l", "..", ".."],
  ["l", "/jobs/1/d/f", "d/f"],
  ["d/l", "/jobs/1/d/f", "../d/f"],
])("a link %s to %s is kept as %s", (path, target, kept) => {
  expect(keptTarget(path, target, "/jobs/1")).toBe(kept);
});

test.each([
  ["l", ".."],
  ["l", "../f"],
  ["d/l", "../../f"],
  ["l", "/etc/passwd"],
  ["l", "/jobs/12/f"],
  ["l", "/jobs/1"],
  ["l", "/jobs/1/../2/f"],
  ["l", "d/../../f"],
  // The directory may itself be a link by then.
  ["l", "d/../f"],
  ["l", ""],
  ["l", "a\0b"],
])("a link %s to %j is not kept", (path, target) => {
  expect(keptTarget(path, target, "/jobs/1")).toBeUndefined();
});
