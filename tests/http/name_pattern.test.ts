import { describe, expect, test } from "bun:test";
import { anyPattern, namePattern } from "../../src/http/name_pattern.ts";

describe("namePattern()", () => {
  const cases: readonly (readonly [pattern: string, matching: readonly string[], others: readonly string[]])[] = [
    ["stderr.txt", ["stderr.txt"], ["stderr_txt", "Stderr.txt", "stderr.txt2", "a-stderr.txt", ""]],
    ["*", ["a", "a.b", ".hidden", "new\nline"], []],
    ["*.txt", [".txt", "a.txt", "a.b.txt"], ["a.txt.gz", "txt"]],
    ["a*b*c", ["abc", "aXbYc", "abbcc", "a\nb\nc"], ["ab", "acb", "abcd"]],
    ["a?c", ["abc", "a?c", "a😀c"], ["ac", "abbc"]],
    ["[abc]1", ["a1", "b1", "c1"], ["d1", "A1", "1"]],
    ["[a-c]1", ["a1", "b1"], ["d1", "-1"]],
    ["[c-a]1", [], ["a1", "b1", "c1", "-1"]],
    ["[!abc]1", ["d1", "!1"], ["a1", "1"]],
    ["[!a-c]", ["d", "^"], ["b"]],
    ["[^a]", ["^", "a"], ["b"]],
    ["[]]x", ["]x"], ["x", "[]]x"]],
    ["[!]]x", ["ax"], ["]x"]],
    ["[]-a]", ["]", "^", "a"], ["-", "b"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[-a]", ["a", "-"], ["b"]],
    ["[*]", ["*"], ["a"]],
    ["[", ["["], ["a", ""]],
    ["a[b", ["a[b"], ["ab"]],
    ["[]", ["[]"], ["", "]"]],
    ["[!]", ["[!]"], ["a"]],
    ["\\*", ["\\", "\\a"], ["*"]],
    ["[\\]", ["\\"], ["]"]],
    ["[é-ü]", ["é", "ö"], ["e"]],
    ["output/a.txt", [], ["a.txt", "output"]],
    ["", [], ["", "a"]],
  ];
  test.each(cases)("%p matches whole names only", (pattern, matching, others) => {
    const isMatch = namePattern(pattern);
    expect(matching.filter((name) => !isMatch(name))).toEqual([]);
    expect(others.filter(isMatch)).toEqual([]);
  });

  test("takes no longer for a pattern with many stars", () => {
    const isMatch = namePattern(`${"*a".repeat(500)}b`);
    const startMs = performance.now();
    expect(isMatch("a".repeat(255))).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(500);
  });
});

test("anyPattern() matches what one of its patterns matches, and nothing without any", () => {
  const isMatch = anyPattern(["*.log", "tmp"]);
  expect(["a.log", "tmp", "a.txt"].map(isMatch)).toEqual([true, true, false]);
  expect(anyPattern([])("a")).toBe(false);
});
