import type { TLocalizedValidationError } from "typebox/error";
import Schema from "typebox/schema";
import { Settings } from "typebox/system";
import type { JsonObject, JsonValue } from "../core/json.ts";

/** A fault inside of a JSON Schema, `path` counted from its top. */
export interface SchemaFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const DIALECT = "https://json-schema.org/draft/2020-12/schema";
const MAX_ERRORS = 100;

/**
 * Says where `schema` is not a JSON Schema of draft 2020-12.
 *
 * Interpreted by TypeBox: compiling the meta-schema with ajv would take longer than all else at start.
 */
export function metaSchemaFaults(schema: JsonObject): readonly SchemaFault[] {
  const { $schema } = schema;
  if ($schema !== undefined && $schema !== DIALECT && $schema !== `${DIALECT}#`) {
    return [{ path: ["$schema"], message: `expected ${DIALECT}, got ${JSON.stringify($schema)}` }];
  }
  const before = Settings.Get().maxErrors;
  Settings.Set({ maxErrors: MAX_ERRORS });
  const [isValid, errors] = Schema.Errors(Schema.Meta[DIALECT], schema);
  Settings.Set({ maxErrors: before });
  if (isValid) {
    return [];
  }
  const faults = new Map<string, SchemaFault>();
  // An invalid part makes its holder invalid, whose error adds nothing.
  for (const error of errors.filter(({ keyword }) => keyword !== "additionalProperties" && keyword !== "anyOf")) {
    const { path, value } = follow(schema, error.instancePath);
    // The alternatives of one value: its list of allowed words, which comes first, says most.
    if (!faults.has(error.instancePath)) {
      const message = `not valid in a JSON Schema: ${reasonOf(error)}, got ${JSON.stringify(value)}`;
      faults.set(error.instancePath, { path, message });
    }
  }
  return faults.size > 0 ? [...faults.values()] : [{ path: [], message: "not a valid JSON Schema" }];
}

function reasonOf(error: TLocalizedValidationError): string {
  if (error.keyword === "enum") {
    return `expected one of ${error.params.allowedValues.join(", ")}`;
  }
  return error.keyword === "format" && error.params.format === "regex"
    ? "expected a regular expression as JavaScript has them"
    : error.message;
}

/** Splits a JSON pointer, telling list indexes from keys by what stands there. */
export function follow(
  root: JsonValue,
  pointer: string,
): { readonly path: readonly (string | number)[]; readonly value: JsonValue | undefined } {
  const path: (string | number)[] = [];
  let value: JsonValue | undefined = root;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(value) ? Number(key) : key);
    value = (value as Readonly<Record<string, JsonValue>> | undefined)?.[key];
  }
  return { path, value };
}
