import type { KeyPath, Position } from "./finding.ts";

/** A value of a YAML file with the place where it stands. Aliases and merges are resolved. */
export type YamlNode = YamlMap | YamlList | YamlScalar;

export interface YamlMap {
  readonly kind: "map";
  readonly position: Position;
  /** In the order of the file. A `Map`, because objects move keys like `10` to the front. */
  readonly entries: ReadonlyMap<string, YamlEntry>;
}

export interface YamlEntry {
  readonly keyPosition: Position;
  readonly value: YamlNode;
}

export interface YamlList {
  readonly kind: "list";
  readonly position: Position;
  readonly items: readonly YamlNode[];
}

export interface YamlScalar {
  readonly kind: "scalar";
  readonly position: Position;
  readonly value: string | number | boolean | null;
  /** The spelling in the file, e.g. `1.50` for the number 1.5; for quoted and block text the value itself. */
  readonly source: string;
}

/**
 * Finds where `path` stands.
 *
 * @param part "value" for the value itself, "key" for its key
 * @returns for something absent or empty the key of what should hold it, in the end line 1, column 1
 */
export function positionOf(root: YamlNode, path: KeyPath, part: "key" | "value"): Position {
  let node = root;
  let keyPosition: Position = { line: 1, column: 1 };
  for (const key of path) {
    if (node.kind === "map" && typeof key === "string") {
      const entry = node.entries.get(key);
      if (entry === undefined) {
        return keyPosition;
      }
      keyPosition = entry.keyPosition;
      node = entry.value;
    } else if (node.kind === "list" && typeof key === "number") {
      const item = node.items[key];
      if (item === undefined) {
        return keyPosition;
      }
      keyPosition = item.position;
      node = item;
    } else {
      return keyPosition;
    }
  }
  const isEmpty = node.kind === "scalar" && node.value === null && node.source === "";
  return part === "key" || isEmpty ? keyPosition : node.position;
}
