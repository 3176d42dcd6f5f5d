import type { JsonObject, JsonValue } from "../core/json.ts";
import type { KeyPath } from "./finding.ts";
import { didYouMean, nearest } from "./nearest.ts";
import { describeNode, readScalar } from "./read_scalar.ts";
import type { Report } from "./report.ts";
import { knownKeys, type SchemaView, variantNames } from "./schema_view.ts";
import type { YamlMap, YamlNode } from "./yaml_node.ts";

/**
 * Reads `node` as `schema` describes it: converts scalars, fills in defaults, reports all that does not fit.
 *
 * @returns objects for maps with known keys, `Map`s for maps with free keys. What does not fit is left out or
 *   undefined; the value is complete only when nothing was reported.
 */
export function readValue(schema: SchemaView, node: YamlNode, path: KeyPath, report: Report): unknown {
  if (schema.anyOf !== undefined) {
    return readVariant(schema.anyOf, node, path, report);
  }
  if (schema.type === "array") {
    return readList(schema, node, path, report);
  }
  if (schema.type === "object") {
    if (node.kind !== "map") {
      report.fault(path, `expected a map, got ${describeNode(node)}`);
      return undefined;
    }
    if (schema.patternProperties !== undefined) {
      return readNamed(schema, node, path, report);
    }
    return schema.additionalProperties === true ? toJson(node, path, report) : readObject(schema, node, path, report);
  }
  if (schema.const !== undefined) {
    // Only used for `type`, which has selected the variant.
    return schema.const;
  }
  const reading = readScalar(schema, node);
  if (reading.isValid) {
    return reading.value;
  }
  report.fault(path, reading.reason);
  return undefined;
}

function readList(schema: SchemaView, node: YamlNode, path: KeyPath, report: Report): unknown {
  const { items } = schema;
  if (node.kind !== "list" || items === undefined) {
    report.fault(path, `expected a list, got ${describeNode(node)}`);
    return undefined;
  }
  if (node.items.length < (schema.minItems ?? 0)) {
    report.fault(path, "must contain at least one item");
  }
  return node.items.map((item, index) => readValue(items, item, [...path, index], report));
}

/** A map from names that users choose, in the order of the file. */
function readNamed(schema: SchemaView, node: YamlMap, path: KeyPath, report: Report): unknown {
  const [entrySchema] = Object.values(schema.patternProperties ?? {});
  const result = new Map<string, unknown>();
  if (node.entries.size < (schema.minProperties ?? 0)) {
    report.fault(path, `must contain at least one ${String(path.at(-1)).replace(/s$/, "")}`);
  }
  for (const [name, entry] of node.entries) {
    const namePath = [...path, name];
    if (schema.propertyNames !== undefined) {
      const position = entry.keyPosition;
      const reading = readScalar(schema.propertyNames, { kind: "scalar", position, value: name, source: name });
      if (!reading.isValid) {
        report.faultAtKey(namePath, `name: ${reading.reason}`);
      }
    }
    result.set(name, entrySchema === undefined ? undefined : readValue(entrySchema, entry.value, namePath, report));
  }
  return result;
}

function readVariant(variants: readonly SchemaView[], node: YamlNode, path: KeyPath, report: Report): unknown {
  const allowed = variants.flatMap(variantNames);
  const allowedText = `allowed values: ${allowed.map((name) => `'${name}'`).join(", ")}`;
  if (node.kind !== "map") {
    report.fault(path, `expected a map with the key type (${allowedText}), got ${describeNode(node)}`);
    return undefined;
  }
  const type = node.entries.get("type")?.value;
  if (type === undefined) {
    report.faultAtKey(path, `Discriminator 'type' is missing in value (${allowedText})`);
    return undefined;
  }
  const name = type.kind === "scalar" ? type.source : describeNode(type);
  const variant = variants.find((candidate) => variantNames(candidate).includes(name));
  if (variant === undefined) {
    const message = `No match for discriminator 'type' and value '${name}' (${allowedText})`;
    report.fault([...path, "type"], message + didYouMean(name, allowed));
    return undefined;
  }
  return readObject(variant, node, path, report, variants);
}

/** @param variants the other shapes that the map could have had, to explain keys that belong there */
function readObject(
  schema: SchemaView,
  node: YamlMap,
  path: KeyPath,
  report: Report,
  variants: readonly SchemaView[] = [],
): unknown {
  const properties = new Map(Object.entries(schema.properties ?? {}));
  const result: Record<string, unknown> = {};
  for (const [key, property] of properties) {
    const keyPath = [...path, key];
    const entry = node.entries.get(key);
    const isRequired = schema.required?.includes(key) ?? false;
    const isNull = entry?.value.kind === "scalar" && entry.value.value === null;
    if (entry !== undefined && !(isNull && !isRequired)) {
      if (isNull && property.default !== undefined) {
        report.fault(keyPath, "expected a value, got nothing (leave the key out to get the default)");
      } else {
        result[key] = readValue(property, entry.value, keyPath, report);
      }
    } else if (property.default !== undefined) {
      result[key] = readValue(property, nodeOf(property.default), keyPath, report);
    } else if (isRequired) {
      report.fault(keyPath, "required key is missing");
    }
  }
  for (const key of node.entries.keys()) {
    if (!properties.has(key)) {
      report.faultAtKey([...path, key], `unknown key${explained(key, node, properties, variants)}`);
    }
  }
  return result;
}

/** Guesses what was meant by an unknown key. */
function explained(
  key: string,
  node: YamlMap,
  properties: ReadonlyMap<string, SchemaView>,
  variants: readonly SchemaView[],
): string {
  for (const [outer, property] of properties) {
    if (property.additionalProperties !== true && knownKeys(property).has(key) && key !== "type") {
      return ` (it belongs inside ${outer})`;
    }
  }
  const unused = [...properties.keys()].filter((name) => !node.entries.has(name));
  const meant = nearest(key, unused);
  if (meant !== undefined) {
    return ` (did you mean "${meant}"?)`;
  }
  const owners = variants.filter((variant) => knownKeys(variant).has(key)).flatMap(variantNames);
  if (owners.length > 0) {
    return ` (only for type ${owners.join(", ")})`;
  }
  return ` (known here: ${[...properties.keys()].join(", ")})`;
}

/** A free value, e.g. a JSON Schema of the user. */
function toJson(node: YamlNode, path: KeyPath, report: Report): JsonValue | undefined {
  switch (node.kind) {
    case "scalar":
      if (typeof node.value === "number" && !Number.isFinite(node.value)) {
        report.fault(path, `expected a value that JSON knows, got ${node.source}`);
      }
      return node.value;
    case "list":
      return node.items.map((item, index) => toJson(item, [...path, index], report) ?? null);
    case "map": {
      const result: JsonObject = Object.fromEntries(
        [...node.entries].map(([key, entry]) => [key, toJson(entry.value, [...path, key], report) ?? null]),
      );
      return result;
    }
  }
}

/** A default of the description in the form of something read. */
function nodeOf(value: unknown): YamlNode {
  const position = { line: 1, column: 1 };
  if (Array.isArray(value)) {
    return { kind: "list", position, items: value.map(nodeOf) };
  }
  if (typeof value === "object" && value !== null) {
    const entries = new Map(
      Object.entries(value).map(([key, item]) => [key, { keyPosition: position, value: nodeOf(item) }]),
    );
    return { kind: "map", position, entries };
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return { kind: "scalar", position, value, source: String(value) };
  }
  return { kind: "scalar", position, value: null, source: "" };
}
