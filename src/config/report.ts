import { byPosition, type Finding, type KeyPath } from "./finding.ts";
import { positionOf, type YamlNode } from "./yaml_node.ts";

/** Collects all that is wrong with a file, so that it can be told at once. */
export interface Report {
  /** Something at `path` makes the file unusable. */
  fault(path: KeyPath, message: string): void;
  /** The key at `path` itself makes the file unusable. */
  faultAtKey(path: KeyPath, message: string): void;
  /** Something at `path` works, but hardly as meant. */
  warn(path: KeyPath, message: string): void;
  /** In the order of the file. */
  faults(): readonly Finding[];
  warnings(): readonly Finding[];
}

/** @param root where the positions of the paths are looked up */
export function reportOn(root: YamlNode): Report {
  const faults: Finding[] = [];
  const warnings: Finding[] = [];
  const finding = (path: KeyPath, message: string, part: "key" | "value"): Finding => ({
    position: positionOf(root, path, part),
    path,
    message,
  });
  return {
    fault: (path, message) => void faults.push(finding(path, message, "value")),
    faultAtKey: (path, message) => void faults.push(finding(path, message, "key")),
    warn: (path, message) => void warnings.push(finding(path, message, "value")),
    faults: () => faults.toSorted(byPosition),
    warnings: () => warnings.toSorted(byPosition),
  };
}
