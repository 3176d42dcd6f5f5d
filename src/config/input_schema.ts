import { Ajv2020, type AnySchemaObject, type ValidateFunction } from "ajv/dist/2020.js";
import type { Validation } from "../core/application.ts";
import { messageOf } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { convertFormFields } from "./form_values.ts";
import { follow, metaSchemaFaults, type SchemaFault } from "./meta_schema.ts";
import { violationSentences } from "./violations.ts";

/** An `input_schema`, compiled once, or what is wrong with it. */
export type CompiledSchema<Input> =
  | { readonly isValid: true; validate(input: Input): Validation<JsonObject> }
  | { readonly isValid: false; readonly faults: readonly SchemaFault[] };

/**
 * Compiles the schema of form fields. Validation converts the fields, fills in defaults, then judges.
 *
 * @param schema JSON Schema of draft 2020-12; unknown keywords and `format` are annotations
 */
export function compileFormSchema(schema: JsonObject): CompiledSchema<Readonly<Record<string, string>>> {
  const compiled = compile(schema, true);
  if (!compiled.isValid) {
    return compiled;
  }
  const faults = defaultFaults(compiled.judge, schema);
  return faults.length > 0
    ? { isValid: false, faults }
    : { isValid: true, validate: (fields) => validated(compiled.judge, convertFormFields(schema, fields)) };
}

/**
 * Compiles the schema of a body. Validation judges it as it is: nothing is converted or filled in.
 *
 * @param schema JSON Schema of draft 2020-12; unknown keywords and `format` are annotations
 */
export function compileBodySchema(schema: JsonObject): CompiledSchema<JsonValue> {
  const compiled = compile(schema, false);
  return compiled.isValid ? { isValid: true, validate: (body) => validated(compiled.judge, body) } : compiled;
}

function compile(
  schema: JsonObject,
  useDefaults: boolean,
):
  | { readonly isValid: true; readonly judge: ValidateFunction }
  | { readonly isValid: false; readonly faults: readonly SchemaFault[] } {
  if (schema.type !== "object") {
    const got = schema.type === undefined ? "no type" : JSON.stringify(schema.type);
    return { isValid: false, faults: [{ path: [], message: `input_schema should have type=object, got ${got}` }] };
  }
  const faults = [...reservedNames(schema, []), ...metaSchemaFaults(schema)];
  if (faults.length > 0) {
    return { isValid: false, faults };
  }
  try {
    return { isValid: true, judge: makeAjv(useDefaults).compile(schema as AnySchemaObject) };
  } catch (error) {
    return { isValid: false, faults: [{ path: [], message: `not a usable JSON Schema: ${messageOf(error)}` }] };
  }
}

/** A new instance for each schema, so that an $id of one application does not collide with another's. */
function makeAjv(useDefaults: boolean): Ajv2020 {
  return new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: false,
    // Done before, and the meta-schema takes long to compile.
    meta: false,
    validateSchema: false,
    validateFormats: false,
    // Halves the time to compile.
    code: { optimize: false },
    // A field called `toString` is neither there nor given by its inherited namesake.
    ownProperties: true,
    useDefaults,
    logger: false,
  });
}

function validated(judge: ValidateFunction, value: JsonValue): Validation<JsonObject> {
  if (judge(value)) {
    // The schema has `type: object`.
    return { isValid: true, value: value as JsonObject };
  }
  return { isValid: false, violations: violationSentences(judge.errors ?? []) };
}

/** `__proto__` is skipped by the validator and `$async` would change how it answers. */
function reservedNames(schema: JsonValue, path: readonly (string | number)[]): readonly SchemaFault[] {
  if (Array.isArray(schema)) {
    return schema.flatMap((item, index) => reservedNames(item, [...path, index]));
  }
  if (typeof schema !== "object" || schema === null) {
    return [];
  }
  return Object.entries(schema).flatMap(([key, value]) =>
    key === "__proto__" || key === "$async"
      ? [{ path: [...path, key], message: `the name ${key} is reserved` }]
      : reservedNames(value, [...path, key]),
  );
}

/** Defaults of fields are filled in and validated with each form, so one that does not fit would refuse them all. */
function defaultFaults(judge: ValidateFunction, schema: JsonObject): readonly SchemaFault[] {
  const onlyDefaults: JsonObject = {};
  if (judge(onlyDefaults)) {
    return [];
  }
  const errors = judge.errors ?? [];
  return Object.keys(onlyDefaults).flatMap((name) => {
    const ofField = errors.filter((error) => follow(onlyDefaults, error.instancePath).path[0] === name);
    const message = `does not fit: ${violationSentences(ofField).join("; ")}`;
    return ofField.length > 0 && schema.properties !== undefined
      ? [{ path: ["properties", name, "default"], message }]
      : [];
  });
}
