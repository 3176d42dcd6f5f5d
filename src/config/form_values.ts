import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseBoolean, parseDecimal } from "./scalars.ts";

/** References and combinations of schemas are followed to this depth. */
const MAX_DEPTH = 8;

/**
 * Converts the text fields of a form to what `schema` declares for them:
 *
 * - `integer`, `number`: a decimal number; for integers without a fraction other than `.0`, exactly representable;
 * - `boolean`: `true/false`, `1/0`, `yes/no`, `on/off` (what check boxes send), `t/f`, `y/n` in any case;
 * - `null`: an empty field or `null`;
 * - `array`, `object`: JSON text;
 * - text where text is allowed or nothing is declared.
 *
 * What cannot be converted stays text, for the validation to refuse it. Types are looked up through `enum`,
 * `const`, references inside the schema and `allOf`, `anyOf`, `oneOf`.
 */
export function convertFormFields(schema: JsonObject, fields: Readonly<Record<string, string>>): JsonObject {
  // fromEntries makes `__proto__` an ordinary key.
  return Object.fromEntries(
    Object.entries(fields).map(([name, text]) => [name, convert(text, typesOfField(schema, name))]),
  );
}

function convert(text: string, types: ReadonlySet<string>): JsonValue {
  if (types.size === 0 || types.has("string")) {
    return text;
  }
  if (types.has("integer") || types.has("number")) {
    const number = parseDecimal(text);
    const isWhole = Number.isSafeInteger(number);
    if (number !== undefined && (isWhole || (types.has("number") && !isWrittenWhole(text)))) {
      return number;
    }
  }
  if (types.has("boolean")) {
    const boolean = parseBoolean(text);
    if (boolean !== undefined) {
      return boolean;
    }
  }
  if (types.has("null") && (text === "" || text === "null")) {
    return null;
  }
  if (types.has("array") || types.has("object")) {
    const json = parseJson(text);
    const isWanted = Array.isArray(json) ? types.has("array") : types.has("object");
    if (typeof json === "object" && json !== null && isWanted) {
      return json;
    }
  }
  return text;
}

/** Whole numbers with so many digits that the last ones would change are not converted. */
function isWrittenWhole(text: string): boolean {
  return /^\s*[+-]?\d+\s*$/.test(text);
}

function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    if (error instanceof SyntaxError) {
      return undefined;
    }
    throw error;
  }
}

/** The JSON types that a field may have; empty when nothing is declared about it. */
function typesOfField(root: JsonObject, name: string): ReadonlySet<string> {
  const types = new Set<string>();
  for (const schema of schemasOfField(root, name)) {
    addTypes(types, schema, root, 0);
  }
  return types;
}

function schemasOfField(root: JsonObject, name: string): readonly JsonValue[] {
  const found: JsonValue[] = [];
  const { properties, patternProperties, additionalProperties } = root;
  if (isJsonObject(properties) && Object.hasOwn(properties, name)) {
    found.push(properties[name] ?? null);
  }
  if (isJsonObject(patternProperties)) {
    for (const [pattern, schema] of Object.entries(patternProperties)) {
      if (new RegExp(pattern, "u").test(name)) {
        found.push(schema);
      }
    }
  }
  return found.length === 0 && additionalProperties !== undefined ? [additionalProperties] : found;
}

function addTypes(types: Set<string>, schema: JsonValue | undefined, root: JsonObject, depth: number): void {
  if (!isJsonObject(schema) || depth > MAX_DEPTH) {
    return;
  }
  const { type, $ref } = schema;
  if (type !== undefined) {
    for (const name of [type].flat()) {
      types.add(String(name));
    }
    return;
  }
  if (typeof $ref === "string") {
    addTypes(types, resolve($ref, root), root, depth + 1);
  }
  if (Array.isArray(schema.enum) || schema.const !== undefined) {
    for (const value of Array.isArray(schema.enum) ? schema.enum : [schema.const]) {
      types.add(typeOf(value));
    }
  }
  for (const keyword of ["allOf", "anyOf", "oneOf"]) {
    const branches = schema[keyword];
    for (const branch of Array.isArray(branches) ? branches : []) {
      addTypes(types, branch, root, depth + 1);
    }
  }
}

function typeOf(value: JsonValue): string {
  if (value === null) {
    return "null";
  }
  return Array.isArray(value) ? "array" : typeof value;
}

/** Follows a reference like `#/$defs/size`; undefined for others, whose fields then stay text. */
function resolve(reference: string, root: JsonObject): JsonValue | undefined {
  if (reference !== "#" && !reference.startsWith("#/")) {
    return undefined;
  }
  let node: JsonValue | undefined = root;
  for (const part of reference.split("/").slice(1)) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(node)) {
      node = node[Number(key)];
    } else if (isJsonObject(node) && Object.hasOwn(node, key)) {
      node = node[key];
    } else {
      return undefined;
    }
  }
  return node;
}
