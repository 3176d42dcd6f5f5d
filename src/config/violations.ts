import type { ErrorObject } from "ajv";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { pythonRepr } from "./python_repr.ts";

/** A value may be wrong in millions of ways; later ones are not looked at. */
const MAX_ERRORS = 1000;
const MAX_SENTENCES = 100;
const MAX_NAMES = 20;

/**
 * Says what is wrong with a value, each violation as a sentence in the words of Python's jsonschema:
 * `'what' is a required property`. What is wrong inside of a field comes after the path of that field:
 * `sizes[0]: 5 is greater than the maximum of 3`.
 *
 * @param errors of ajv with the options `allErrors` and `verbose`
 * @returns at least one sentence, at most 100; outer violations before inner ones
 */
export function violationSentences(errors: readonly ErrorObject[]): readonly string[] {
  const considered = errors.slice(0, MAX_ERRORS);
  const sentences = new Set<string>();
  for (const error of withoutConsequences(considered).toSorted((a, b) => depth(a) - depth(b))) {
    const path = formatPointer(error.instancePath);
    const sentence = sentenceOf(error, considered);
    sentences.add(path === "" ? sentence : `${path}: ${sentence}`);
  }
  return [...sentences].slice(0, MAX_SENTENCES);
}

function depth(error: ErrorObject): number {
  return error.instancePath.split("/").length;
}

/** Writes the JSON pointer `/sizes/0/unit` as `sizes[0].unit`. */
function formatPointer(pointer: string): string {
  let text = "";
  for (const part of pointer.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    text += /^\d+$/.test(name) ? `[${name}]` : (text === "" ? "" : ".") + name;
  }
  return text;
}

/** Drops errors that only explain, announce or repeat another one. */
function withoutConsequences(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const hasNameErrors = errors.some((error) => error.propertyName !== undefined);
  const told = new Set<string>();
  const kept = errors.filter((error, index) => {
    switch (error.keyword) {
      case "if":
        return false;
      case "propertyNames":
        return !hasNameErrors;
      case "additionalProperties":
      case "unevaluatedProperties": {
        // There is one for each name; the sentence of the first names them all.
        const key = `${error.instancePath} ${error.schemaPath}`;
        const isRepeated = told.has(key);
        told.add(key);
        return !isRepeated && !explainsLater(error, index, errors);
      }
      default:
        return !explainsLater(error, index, errors);
    }
  });
  return kept.length > 0 ? kept : errors;
}

function explainsLater(error: ErrorObject, index: number, errors: readonly ErrorObject[]): boolean {
  return errors.some((choice, at) => at > index && isBranchOf(error, choice));
}

/** True when `error`, which came before `choice`, tells why one of its branches did not fit. */
function isBranchOf(error: ErrorObject, choice: ErrorObject): boolean {
  return (
    ["anyOf", "oneOf", "contains"].includes(choice.keyword) &&
    `${error.instancePath}/`.startsWith(`${choice.instancePath}/`) &&
    // Branches that are references have a schema path of their own.
    (error.schemaPath.startsWith(`${choice.schemaPath}/`) || base(error.schemaPath) !== base(choice.schemaPath))
  );
}

/** The definition that a schema path starts from, `#` for the schema itself. */
function base(schemaPath: string): string {
  return /^[^#]*#\/(\$defs|definitions)\/[^/]+/.exec(schemaPath)?.[0] ?? schemaPath.split("/", 1).join();
}

function sentenceOf(error: ErrorObject, all: readonly ErrorObject[]): string {
  const params = error.params as JsonObject;
  const schema = error.schema as JsonValue;
  // Asked for only where it is shown: it may be large.
  const data = () => pythonRepr(error.data as JsonValue);
  switch (error.keyword) {
    case "required":
      return `${pythonRepr(params.missingProperty ?? null)} is a required property`;
    case "dependentRequired":
    case "dependencies":
      return `${pythonRepr(params.missingProperty ?? null)} is a dependency of ${pythonRepr(params.property ?? null)}`;
    case "additionalProperties":
      return unexpected("Additional properties", "additionalProperty", error, all);
    case "unevaluatedProperties":
      return unexpected("Unevaluated properties", "unevaluatedProperty", error, all);
    case "type":
      return `${data()} is not of type ${[schema]
        .flat()
        .map((type) => pythonRepr(type))
        .join(", ")}`;
    case "enum":
      return `${data()} is not one of ${pythonRepr(schema)}`;
    case "const":
      return `${pythonRepr(schema)} was expected`;
    case "minLength":
    case "minItems":
      return `${data()} is too short`;
    case "maxLength":
    case "maxItems":
      return `${data()} is too long`;
    case "minimum":
      return `${data()} is less than the minimum of ${pythonRepr(schema)}`;
    case "maximum":
      return `${data()} is greater than the maximum of ${pythonRepr(schema)}`;
    case "exclusiveMinimum":
      return `${data()} is less than or equal to the minimum of ${pythonRepr(schema)}`;
    case "exclusiveMaximum":
      return `${data()} is greater than or equal to the maximum of ${pythonRepr(schema)}`;
    case "multipleOf":
      return `${data()} is not a multiple of ${pythonRepr(schema)}`;
    case "pattern":
      return `${data()} does not match ${pythonRepr(schema)}`;
    case "uniqueItems":
      return `${data()} has non-unique elements`;
    case "minProperties":
      return `${data()} does not have enough properties`;
    case "maxProperties":
      return `${data()} has too many properties`;
    case "not":
      return `${data()} should not be valid under ${pythonRepr(schema)}`;
    case "anyOf":
      return `${data()} is not valid under any of the given schemas`;
    case "oneOf":
      return Array.isArray(params.passingSchemas)
        ? `${data()} is valid under more than one of the given schemas`
        : `${data()} is not valid under any of the given schemas`;
    case "contains":
      return `${data()} does not contain items matching the given schema`;
    case "items":
    case "prefixItems":
    case "unevaluatedItems":
      return `${data()} has more items than expected`;
    case "false schema":
      return `False schema does not allow ${data()}`;
    default:
      return `${data()} ${error.message ?? `violates ${error.keyword}`}`;
  }
}

/** One sentence for all keys of an object that should not be there; ajv has an error for each. */
function unexpected(what: string, param: string, error: ErrorObject, all: readonly ErrorObject[]): string {
  const names = all
    .filter((other) => other.instancePath === error.instancePath && other.schemaPath === error.schemaPath)
    .map((other) => String((other.params as JsonObject)[param]))
    .sort();
  const patterns = Object.keys(
    (error.parentSchema as { patternProperties?: object } | undefined)?.patternProperties ?? {},
  );
  const list = names.slice(0, MAX_NAMES).map(pythonRepr).join(", ") + (names.length > MAX_NAMES ? ", …" : "");
  if (patterns.length > 0 && what === "Additional properties") {
    const verb = names.length === 1 ? "does" : "do";
    return `${list} ${verb} not match any of the regexes: ${patterns.map(pythonRepr).join(", ")}`;
  }
  return `${what} are not allowed (${list} ${names.length === 1 ? "was" : "were"} unexpected)`;
}
