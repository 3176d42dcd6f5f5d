import { Ajv2020, type AnySchemaObject, type ValidateFunction } from "ajv/dist/2020.js";
import type { Validation } from "../core/application.ts";
import { messageOf } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { convertFormFields } from "./form_values.ts";
import { follow, metaSchemaFaults, type SchemaFault } from "./meta_schema.ts";
import { violationSentences } from "./violations.ts";

/** An `input_schema`, compiled once. */
export type CompiledInputSchema =
  | {
      readonly isValid: true;
      /** Converts form fields, fills in defaults, validates. */
      validateForm(fields: Readonly<Record<string, string>>): Validation<JsonObject>;
      /** Validates as it is. */
      validateBody(body: JsonValue): Validation<JsonObject>;
    }
  | { readonly isValid: false; readonly faults: readonly SchemaFault[] };

/**
 * Compiles a JSON Schema (draft 2020-12) of form fields or of a body.
 *
 * Unknown keywords are ignored and `format` is not checked, as the specification says for annotations.
 */
export function compileInputSchema(schema: JsonObject): CompiledInputSchema {
  if (schema.type !== "object") {
    const got = schema.type === undefined ? "no type" : JSON.stringify(schema.type);
    return { isValid: false, faults: [{ path: [], message: `input_schema should have type=object, got ${got}` }] };
  }
  const faults = [...reservedNames(schema, []), ...metaSchemaFaults(schema)];
  if (faults.length > 0) {
    return { isValid: false, faults };
  }
  let withDefaults: ValidateFunction;
  let asIs: ValidateFunction;
  try {
    withDefaults = makeAjv(true).compile(schema as AnySchemaObject);
    asIs = makeAjv(false).compile(schema as AnySchemaObject);
  } catch (error) {
    return { isValid: false, faults: [{ path: [], message: `not a usable JSON Schema: ${messageOf(error)}` }] };
  }
  const badDefaults = defaultFaults(withDefaults, schema);
  if (badDefaults.length > 0) {
    return { isValid: false, faults: badDefaults };
  }
  return {
    isValid: true,
    validateForm: (fields) => validated(withDefaults, convertFormFields(schema, fields)),
    validateBody: (body) => validated(asIs, body),
  };
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
    // A field called `toString` is neither there nor given by its inherited namesake.
    ownProperties: true,
    useDefaults,
    logger: false,
  });
}

function validated(validate: ValidateFunction, value: JsonValue): Validation<JsonObject> {
  if (validate(value)) {
    // The schema has `type: object`.
    return { isValid: true, value: value as JsonObject };
  }
  return { isValid: false, violations: violationSentences(validate.errors ?? []) };
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
function defaultFaults(validate: ValidateFunction, schema: JsonObject): readonly SchemaFault[] {
  const onlyDefaults: JsonObject = {};
  if (validate(onlyDefaults)) {
    return [];
  }
  const errors = validate.errors ?? [];
  return Object.keys(onlyDefaults).flatMap((name) => {
    const ofField = errors.filter((error) => follow(onlyDefaults, error.instancePath).path[0] === name);
    const message = `does not fit: ${violationSentences(ofField).join("; ")}`;
    return ofField.length > 0 && schema.properties !== undefined
      ? [{ path: ["properties", name, "default"], message }]
      : [];
  });
}
