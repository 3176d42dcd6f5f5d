import { isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, Scalar, type YAMLError } from "yaml";
import { byPosition, type Finding, formatFinding, type KeyPath, type Position } from "./finding.ts";
import type { YamlEntry, YamlNode, YamlScalar } from "./yaml_node.ts";

export type YamlTree =
  | { readonly isValid: true; readonly root: YamlNode }
  | { readonly isValid: false; readonly faults: readonly Finding[] };

/** Aliases may multiply the nodes of the file up to this number. */
const MAX_NODES = 100_000;
const MAX_DEPTH = 200;
/** Later syntax errors are mostly caused by the first ones. */
const MAX_SYNTAX_FAULTS = 10;

/**
 * Reads one YAML 1.2 document (safe subset: no tags) into a tree that knows its positions.
 *
 * Refuses tags, several documents, duplicate keys, keys that are not text, aliases that contain themselves or
 * multiply without measure.
 */
export function parseYamlTree(text: string): YamlTree {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    schema: "core",
    // Checked here, so that the message can name the key and its first place.
    uniqueKeys: false,
  });
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  if (document.errors.length > 0) {
    return { isValid: false, faults: syntaxFaults(document.errors, positionAt) };
  }
  const reader = new TreeReader(positionAt);
  const root = reader.read(document.contents, [], 0);
  return reader.faults.length > 0 ? { isValid: false, faults: reader.faults } : { isValid: true, root };
}

function syntaxFaults(errors: readonly YAMLError[], positionAt: (offset: number) => Position): readonly Finding[] {
  const fault = (error: YAMLError, message: string) => ({ position: positionAt(error.pos[0]), path: [], message });
  const tooDeep = errors.find((error) => error.code === "RESOURCE_EXHAUSTION");
  if (tooDeep !== undefined) {
    return [fault(tooDeep, "nested too deeply")];
  }
  const faults = new Map<string, Finding>();
  for (const error of errors) {
    const finding =
      error.code === "MULTIPLE_DOCS"
        ? fault(error, "expected one YAML document, found another one here")
        : fault(error, `not valid YAML: ${error.message}`);
    faults.set(formatFinding("", finding), finding);
  }
  return [...faults.values()].sort(byPosition).slice(0, MAX_SYNTAX_FAULTS);
}

/** Size and height of a node with all that its aliases stand for. */
interface Extent {
  readonly nodes: number;
  readonly height: number;
}

class TreeReader {
  readonly faults: Finding[] = [];
  readonly #positionAt: (offset: number) => Position;
  /** What an anchor stands for; "open" while its own content is being read. */
  readonly #anchors = new Map<string, YamlNode | "open">();
  readonly #extents = new WeakMap<YamlNode, Extent>();

  constructor(positionAt: (offset: number) => Position) {
    this.#positionAt = positionAt;
  }

  read(node: unknown, path: KeyPath, offset: number): YamlNode {
    if (isAlias(node)) {
      return this.#alias(node.source, path, node.range?.[0] ?? offset);
    }
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) {
      return this.#measured({ kind: "scalar", position: this.#positionAt(offset), value: null, source: "" });
    }
    const start = node.range?.[0] ?? offset;
    const position = this.#positionAt(start);
    if (node.tag !== undefined) {
      this.#fault(position, path, `YAML tags are not supported, got ${node.tag}`);
    }
    if (node.anchor !== undefined) {
      this.#anchors.set(node.anchor, "open");
    }
    const result = isMap(node)
      ? this.#map(node.items, path, position, start)
      : isSeq(node)
        ? this.#measured({
            kind: "list",
            position,
            items: node.items.map((item, index) => this.read(item, [...path, index], start)),
          })
        : this.#measured(scalar(node, position));
    if (node.anchor !== undefined) {
      this.#anchors.set(node.anchor, result);
    }
    return result;
  }

  #alias(name: string, path: KeyPath, offset: number): YamlNode {
    const position = this.#positionAt(offset);
    const target = this.#anchors.get(name);
    if (target !== undefined && target !== "open") {
      return target;
    }
    this.#fault(
      position,
      path,
      target === "open"
        ? `the alias *${name} stands inside of what it repeats`
        : `no anchor &${name} before the alias *${name}`,
    );
    return this.#measured({ kind: "scalar", position, value: null, source: "" });
  }

  #map(pairs: readonly Pair[], path: KeyPath, position: Position, start: number): YamlNode {
    const entries = new Map<string, YamlEntry>();
    const merged: { readonly keyPosition: Position; readonly value: YamlNode }[] = [];
    for (const pair of pairs) {
      const keyOffset = offsetOf(pair.key) ?? start;
      const keyPosition = this.#positionAt(keyOffset);
      const isMerge = isScalar(pair.key) && pair.key.type === Scalar.PLAIN && pair.key.value === "<<";
      const keyNode = this.read(pair.key, path, keyOffset);
      const key = keyNode.kind === "scalar" ? keyNode.source : "";
      if (keyNode.kind !== "scalar" || keyNode.value === null) {
        this.#fault(keyPosition, path, "expected text as key");
      }
      const value = this.read(pair.value, [...path, key], keyOffset);
      const earlier = entries.get(key);
      if (isMerge) {
        merged.push({ keyPosition, value });
      } else if (earlier === undefined) {
        entries.set(key, { keyPosition, value });
      } else {
        this.#fault(keyPosition, [...path, key], `duplicate key, first given in line ${earlier.keyPosition.line}`);
      }
    }
    for (const { keyPosition, value } of merged) {
      this.#merge(entries, value, keyPosition, path);
    }
    return this.#measured({ kind: "map", position, entries });
  }

  /** Adds what `<<: *other` brings along; own keys and earlier merges win. */
  #merge(entries: Map<string, YamlEntry>, source: YamlNode, keyPosition: Position, path: KeyPath): void {
    const maps = source.kind === "list" ? source.items : [source];
    for (const map of maps) {
      if (map.kind !== "map") {
        this.#fault(keyPosition, [...path, "<<"], "expected a map or a list of maps to merge");
        continue;
      }
      for (const [key, entry] of map.entries) {
        if (!entries.has(key)) {
          entries.set(key, entry);
        }
      }
    }
  }

  /** Notes how much `node` stands for and refuses what grows beyond the limits. */
  #measured(node: YamlNode): YamlNode {
    let nodes = 1;
    let height = 0;
    const children =
      node.kind === "map"
        ? [...node.entries.values()].map((entry) => entry.value)
        : node.kind === "list"
          ? node.items
          : [];
    for (const child of children) {
      const extent = this.#extents.get(child) ?? { nodes: 1, height: 0 };
      nodes += extent.nodes;
      height = Math.max(height, extent.height + 1);
    }
    const isTooMuch = nodes > MAX_NODES || height > MAX_DEPTH;
    if (isTooMuch) {
      this.#fault(
        node.position,
        [],
        nodes > MAX_NODES ? `aliases multiply the file to more than ${MAX_NODES} values` : "nested too deeply",
      );
    }
    // What was refused once counts as small, so that its holders are not refused again.
    this.#extents.set(node, isTooMuch ? { nodes: 1, height: 0 } : { nodes, height });
    return node;
  }

  #fault(position: Position, path: KeyPath, message: string): void {
    this.faults.push({ position, path, message });
  }
}

function scalar(node: Scalar, position: Position): YamlScalar {
  const { value } = node;
  if (typeof value === "string") {
    return { kind: "scalar", position, value, source: value };
  }
  if (typeof value === "number" || typeof value === "boolean") {
    return { kind: "scalar", position, value, source: node.source ?? String(value) };
  }
  return { kind: "scalar", position, value: null, source: node.source ?? "" };
}

function offsetOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined;
}
