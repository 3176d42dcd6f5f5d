import { describe, expect, test } from "bun:test";
import { formatFinding } from "../../src/config/finding.ts";
import { positionOf, type YamlNode } from "../../src/config/yaml_node.ts";
import { parseYamlTree } from "../../src/config/yaml_tree.ts";

function rootOf(text: string): YamlNode {
  const tree = parseYamlTree(text);
  if (!tree.isValid) throw new Error(faultsOf(text).join("\n"));
  return tree.root;
}

function faultsOf(text: string): readonly string[] {
  const tree = parseYamlTree(text);
  return tree.isValid ? [] : tree.faults.map((fault) => formatFinding("f", fault));
}

/** The tree as plain data; maps as lists of pairs, since order matters. */
function plain(node: YamlNode): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map(plain);
    case "map":
      return [...node.entries].map(([key, entry]) => [key, plain(entry.value)]);
  }
}

describe("parseYamlTree()", () => {
  test("keeps the order of keys, also of those that look like numbers", () => {
    expect(plain(rootOf("b: 1\n10: 2\n2: 3\na: 4"))).toEqual([
      ["b", 1],
      ["10", 2],
      ["2", 3],
      ["a", 4],
    ]);
  });

  test("knows where everything stands", () => {
    const root = rootOf("a:\n  b:\n    - x\n    - {c: 5}\n  d:\n");
    expect(positionOf(root, ["a", "b"], "key")).toEqual({ line: 2, column: 3 });
    expect(positionOf(root, ["a", "b"], "value")).toEqual({ line: 3, column: 5 });
    expect(positionOf(root, ["a", "b", 1, "c"], "value")).toEqual({ line: 4, column: 11 });
    expect(positionOf(root, ["a", "b", 1, "c"], "key")).toEqual({ line: 4, column: 8 });
    expect(positionOf(root, ["a", "d"], "value")).toEqual({ line: 5, column: 3 });
    expect(positionOf(root, ["a", "missing", "deeper"], "value")).toEqual({ line: 1, column: 1 });
    expect(positionOf(root, ["a", "b", 1, "missing"], "value")).toEqual({ line: 4, column: 7 });
    expect(positionOf(root, ["missing"], "value")).toEqual({ line: 1, column: 1 });
  });

  test("keeps the spelling of numbers", () => {
    const root = rootOf("a: 1.50\nb: 0x10\nc: '1.50'");
    const sources = root.kind === "map" ? [...root.entries.values()].map(({ value }) => value) : [];
    expect(sources.map((node) => (node.kind === "scalar" ? [node.value, node.source] : []))).toEqual([
      [1.5, "1.50"],
      [16, "0x10"],
      ["1.50", "1.50"],
    ]);
  });

  test("words and times of YAML 1.1 stay text, also with a directive", () => {
    expect(plain(rootOf("%YAML 1.1\n---\na: yes\nb: 1:30:00"))).toEqual([
      ["a", "yes"],
      ["b", "1:30:00"],
    ]);
  });

  test("resolves aliases", () => {
    expect(plain(rootOf("a: &x {y: 1}\nb: *x"))).toEqual([
      ["a", [["y", 1]]],
      ["b", [["y", 1]]],
    ]);
  });

  test("merges maps: own keys win, then the earlier merge", () => {
    expect(plain(rootOf("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {<<: *b}"))).toEqual([
      [
        "a",
        [
          ["x", 1],
          ["y", 1],
        ],
      ],
      [
        "b",
        [
          ["y", 2],
          ["z", 2],
        ],
      ],
      [
        "c",
        [
          ["x", 3],
          ["y", 1],
          ["z", 2],
        ],
      ],
      [
        "d",
        [
          ["y", 2],
          ["z", 2],
        ],
      ],
    ]);
  });

  test("a key named __proto__ is a key like others", () => {
    expect(plain(rootOf("__proto__: {x: 1}"))).toEqual([["__proto__", [["x", 1]]]]);
  });

  test.each([
    ["a: [1, 2\nb: 3", "f:2:1: not valid YAML: "],
    ["a: b: c", "f:1:4: not valid YAML: "],
    ["a: 1\n\tb: 2", "f:2:1: not valid YAML: "],
    ["a: @x", "f:1:4: not valid YAML: "],
    ['a: "x', "f:1:6: not valid YAML: "],
    ["a: 1\n---\nb: 2", "f:2:1: expected one YAML document, found another one here"],
    ["a: 1\nb:\n  c: 2\n  d: 3\n  c: 4", "f:5:3: b.c: duplicate key, first given in line 3"],
    ["{a: 1, a: 1}", "f:1:8: a: duplicate key, first given in line 1"],
    ["5: 1\n'5': 2", "f:2:1: 5: duplicate key, first given in line 1"],
    ["a: !!str 5", "f:1:10: a: YAML tags are not supported, got tag:yaml.org,2002:str"],
    ["a: !include x", "f:1:13: a: YAML tags are not supported, got !include"],
    ["a: !!map {}", "f:1:10: a: YAML tags are not supported, got tag:yaml.org,2002:map"],
    ["a: *x", "f:1:4: a: no anchor &x before the alias *x"],
    ["a: &x [*x]", "f:1:8: a[0]: the alias *x stands inside of what it repeats"],
    ["? [a]\n: 1", "f:1:3: expected text as key"],
    [": 1", "f:1:1: expected text as key"],
    ["a: {<<: 5}", "f:1:5: a.<<: expected a map or a list of maps to merge".replace("<<", '"<<"')],
  ])("refuses %j", (text, expected) => {
    const faults = faultsOf(text);
    expect(faults.length).toBeGreaterThan(0);
    expect(faults[0]).toStartWith(expected);
  });

  test("refuses aliases that multiply without measure, quickly", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i <= 40; i++) {
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(", ")}]`,
      );
    }
    expect(faultsOf(lines.join("\n"))[0]).toEndWith("aliases multiply the file to more than 100000 values");
  });

  test("refuses nesting without measure", () => {
    expect(faultsOf("[".repeat(20_000))[0]).toEndWith("nested too deeply");
    expect(faultsOf(`${"[".repeat(300)}${"]".repeat(300)}`)[0]).toEndWith("nested too deeply");
    const chain = ["a0: &a0 [x]"];
    for (let i = 1; i <= 300; i++) chain.push(`a${i}: &a${i} [*a${i - 1}]`);
    expect(faultsOf(chain.join("\n"))[0]).toEndWith("nested too deeply");
  });

  test("reports several syntax faults at once, but no flood", () => {
    expect(faultsOf("a: @x\nb: `y`\nc: 1\n").length).toBe(2);
    expect(faultsOf(Array.from({ length: 50 }, (_, i) => `k${i}: @x`).join("\n")).length).toBe(10);
  });
});
