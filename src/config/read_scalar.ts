import { didYouMean } from "./nearest.ts";
import { parseBoolean, parseSettingNumber } from "./scalars.ts";
import type { SchemaView } from "./schema_view.ts";
import type { YamlNode, YamlScalar } from "./yaml_node.ts";

export type ScalarReading =
  | { readonly isValid: true; readonly value: string | number | boolean }
  | { readonly isValid: false; readonly reason: string };

/**
 * Reads a scalar as `schema` wants it: numbers may be quoted, a fraction is cut off where a whole number is
 * wanted, numbers are taken in the spelling of the file where text is wanted.
 */
export function readScalar(schema: SchemaView, node: YamlNode): ScalarReading {
  const value = node.kind === "scalar" ? converted(schema, node) : undefined;
  if (value === undefined) {
    return {
      isValid: false,
      reason: `expected ${expectation(schema)}, got ${described(schema, node)}${hint(schema, node)}`,
    };
  }
  const reason = violation(schema, value, node);
  return reason === undefined ? { isValid: true, value } : { isValid: false, reason };
}

function converted(schema: SchemaView, node: YamlScalar): string | number | boolean | undefined {
  const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? ["string"]);
  for (const type of types) {
    const value = convertedTo(type, node);
    if (value !== undefined) {
      return value;
    }
  }
  return undefined;
}

function convertedTo(type: string, node: YamlScalar): string | number | boolean | undefined {
  const { value, source } = node;
  switch (type) {
    case "string":
      return typeof value === "string" || typeof value === "number" ? source : undefined;
    case "boolean":
      return value === null ? undefined : parseBoolean(source);
    case "integer":
    case "number": {
      const number = typeof value === "string" ? parseSettingNumber(value) : value;
      if (typeof number !== "number" || !Number.isFinite(number)) {
        return undefined;
      }
      // Adding 0 turns -0 into 0.
      return type === "integer" ? Math.trunc(number) + 0 : number;
    }
    default:
      throw new TypeError(`Unsupported type in the description of the configuration: ${type}`);
  }
}

function violation(schema: SchemaView, value: string | number | boolean, node: YamlNode): string | undefined {
  for (const refinement of schema["~refine"] ?? []) {
    if (!refinement.check(value)) {
      return refinement.error(value);
    }
  }
  const isUnknownWord = schema.enum !== undefined && !schema.enum.includes(value);
  const isOutOfRange =
    typeof value === "number" &&
    (value < (schema.minimum ?? Number.NEGATIVE_INFINITY) ||
      value <= (schema.exclusiveMinimum ?? Number.NEGATIVE_INFINITY) ||
      value > (schema.maximum ?? Number.POSITIVE_INFINITY) ||
      (schema.type === "integer" && !Number.isSafeInteger(value)));
  if (isUnknownWord || isOutOfRange) {
    return `expected ${expectation(schema)}, got ${described(schema, node)}${hint(schema, node)}`;
  }
  if (typeof value !== "string") {
    return undefined;
  }
  if ([...value].length < (schema.minLength ?? 0)) {
    return "expected text, got nothing";
  }
  if (schema.maxLength !== undefined && [...value].length > schema.maxLength) {
    return `expected at most ${schema.maxLength} characters, got ${[...value].length}`;
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value)) {
    const subject = schema.writeOnly === true ? "the value" : quoted(value);
    return `${subject} ${schema.patternErrorMessage ?? `should match ${schema.pattern}`}`;
  }
  return undefined;
}

/** What a value has to be, in words. */
function expectation(schema: SchemaView): string {
  if (schema.enum !== undefined) {
    return `one of ${schema.enum.join(", ")}`;
  }
  const type = typeof schema.type === "string" ? schema.type : "several";
  const words: Readonly<Record<string, string>> = {
    string: "text",
    boolean: "true or false",
    integer: "a whole number",
    number: "a number",
    several: "a number or text",
  };
  const limits = [];
  if (schema.minimum !== undefined) {
    limits.push(`greater than or equal to ${schema.minimum}`);
  }
  if (schema.exclusiveMinimum !== undefined) {
    limits.push(`greater than ${schema.exclusiveMinimum}`);
  }
  if (schema.maximum !== undefined) {
    limits.push(`less than or equal to ${schema.maximum}`);
  }
  return [words[type] ?? type, limits.join(" and ")].filter((part) => part !== "").join(" ");
}

function hint(schema: SchemaView, node: YamlNode): string {
  if (node.kind !== "scalar") {
    return "";
  }
  if (schema.enum !== undefined) {
    return didYouMean(node.source, schema.enum.map(String));
  }
  return schema.type === "string" && typeof node.value === "boolean" ? " (put it in quotes)" : "";
}

function described(schema: SchemaView, node: YamlNode): string {
  const isSecret = schema.writeOnly === true && node.kind === "scalar" && node.value !== null;
  return isSecret ? "something else" : describeNode(node);
}

/** Shows a value in a message, shortened; maps and lists only by their kind. */
export function describeNode(node: YamlNode): string {
  if (node.kind !== "scalar") {
    return `a ${node.kind}`;
  }
  if (node.value === null) {
    return "nothing";
  }
  return typeof node.value === "string" ? quoted(node.value) : node.source;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
