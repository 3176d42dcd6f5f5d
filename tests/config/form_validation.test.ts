import { describe, expect, test } from "bun:test";
import { compileBodySchema, compileFormSchema } from "../../src/config/input_schema.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";

function compile(schema: JsonObject) {
  const form = compileFormSchema(schema);
  const body = compileBodySchema(schema);
  if (!form.isValid) throw new Error(JSON.stringify(form.faults));
  if (!body.isValid) throw new Error(JSON.stringify(body.faults));
  return { validateForm: form.validate, validateBody: body.validate };
}

/** Schema of one field. */
function field(schema: JsonObject, more: JsonObject = {}): JsonObject {
  return { type: "object", properties: { x: schema }, ...more };
}

/** The value that the form text becomes, or the violations. */
function converted(schema: JsonObject, text: string): JsonValue | { readonly violations: readonly string[] } {
  const answer = compile(field(schema)).validateForm({ x: text });
  return answer.isValid ? (answer.value.x ?? null) : { violations: answer.violations };
}

function bodyViolations(schema: JsonObject, body: JsonValue): readonly string[] {
  const answer = compile(schema).validateBody(body);
  return answer.isValid ? [] : answer.violations;
}

describe("validateForm()", () => {
  test.each([
    [{ type: "integer" }, "3", 3],
    [{ type: "integer" }, "-3", -3],
    [{ type: "integer" }, "3.0", 3],
    [{ type: "number" }, "0.1", 0.1],
    [{ type: "number" }, "1e3", 1000],
    [{ type: "boolean" }, "true", true],
    [{ type: "boolean" }, "on", true],
    [{ type: "boolean" }, "0", false],
    [{ type: "boolean" }, "False", false],
    [{ type: ["integer", "null"] }, "", null],
    [{ type: "null" }, "null", null],
    [{ type: "array" }, "[1, 2]", [1, 2]],
    [{ type: "object" }, '{"a": "b"}', { a: "b" }],
    [{ type: "string" }, "3", "3"],
    [{ type: ["string", "integer"] }, "3", "3"],
    [{}, "3", "3"],
    [{ enum: [1, 2, 3] }, "2", 2],
    [{ const: true }, "yes", true],
    [{ $ref: "#/$defs/size" }, "5", 5],
    [{ anyOf: [{ type: "integer" }, { type: "boolean" }] }, "5", 5],
    [{ anyOf: [{ type: "integer" }, { type: "boolean" }] }, "true", true],
  ] as [JsonObject, string, JsonValue][])("%j takes %j as %j", (schema, text, value) => {
    const answer = compile(field(schema, { $defs: { size: { type: "integer" } } })).validateForm({ x: text });
    expect(answer).toEqual({ isValid: true, value: { x: value } });
  });

  test.each([
    [{ type: "integer" }, "3x", "'3x' is not of type 'integer'"],
    [{ type: "integer" }, "", "'' is not of type 'integer'"],
    [{ type: "integer" }, "2.5", "'2.5' is not of type 'integer'"],
    [{ type: "integer" }, "12345678901234567890", "'12345678901234567890' is not of type 'integer'"],
    [{ type: "number" }, "12345678901234567890", "'12345678901234567890' is not of type 'number'"],
    [{ type: "number" }, "1e999", "'1e999' is not of type 'number'"],
    [{ type: "number" }, "NaN", "'NaN' is not of type 'number'"],
    [{ type: "boolean" }, "maybe", "'maybe' is not of type 'boolean'"],
    [{ type: "boolean" }, "", "'' is not of type 'boolean'"],
    [{ type: "array" }, '{"a": 1}', "'{\"a\": 1}' is not of type 'array'"],
    [{ type: "array" }, "[1,", "'[1,' is not of type 'array'"],
    [{ type: ["integer", "null"] }, "x", "'x' is not of type 'integer', 'null'"],
  ] as [JsonObject, string, string][])("%j refuses %j", (schema, text, violation) => {
    expect(converted(schema, text)).toEqual({ violations: [`x: ${violation}`] });
  });

  test("fills in defaults, also when no field is sent", () => {
    const { validateForm } = compile(field({ type: "string", default: "a" }, { required: ["x"] }));
    expect(validateForm({})).toEqual({ isValid: true, value: { x: "a" } });
    expect(validateForm({ x: "b" })).toEqual({ isValid: true, value: { x: "b" } });
    // The first answer is not changed by later ones.
    expect(validateForm({})).toEqual({ isValid: true, value: { x: "a" } });
  });

  test("converts fields that only patternProperties or additionalProperties describe", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string" } },
      patternProperties: { "^n_": { type: "number" } },
      additionalProperties: { type: "boolean" },
    };
    expect(compile(schema).validateForm({ a: "1", n_x: "1", other: "1" })).toEqual({
      isValid: true,
      value: { a: "1", n_x: 1, other: true },
    });
  });

  test("does not change the fields it was given", () => {
    const fields = Object.freeze({ x: "3" });
    compile(field({ type: "integer" }, { properties: { x: { type: "integer" }, y: { default: 1 } } })).validateForm(
      fields,
    );
    expect(fields).toEqual({ x: "3" });
  });

  test("fields named like members of objects are fields like others", () => {
    const strict = compile({ type: "object", additionalProperties: false, properties: {} });
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      const fields = Object.fromEntries([[name, "x"]]);
      const answer = strict.validateForm(fields);
      expect(answer).toEqual({
        isValid: false,
        violations: [`Additional properties are not allowed ('${name}' was unexpected)`],
      });
      const open = compile({ type: "object" }).validateForm(fields);
      if (!open.isValid) throw new Error("expected to be valid");
      expect(Object.entries(open.value)).toEqual([[name, "x"]]);
      expect(Object.getPrototypeOf(open.value)).toBe(Object.prototype);
    }
    expect(compile({ type: "object", required: ["toString", "__proto__"] }).validateForm({})).toEqual({
      isValid: false,
      violations: ["'toString' is a required property", "'__proto__' is a required property"],
    });
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe("validateBody()", () => {
  test("answers the body as it is: nothing converted, nothing filled in", () => {
    const { validateBody } = compile(field({ type: "integer" }, { properties: { x: {}, y: { default: 1 } } }));
    const body = { x: "3" };
    const answer = validateBody(body);
    expect(answer.isValid && answer.value).toBe(body);
    expect(body).toEqual({ x: "3" });
    expect(bodyViolations(field({ type: "integer" }), { x: "3" })).toEqual(["x: '3' is not of type 'integer'"]);
  });

  // In JSON, because an object with the key `then` is taken for a promise by the linter.
  const CONDITIONAL = JSON.parse('{"if": {"required": ["a"]}, "then": {"required": ["b"]}}');
  const XS = { type: "object", properties: {} };
  test.each([
    [XS, [], "[] is not of type 'object'"],
    [XS, null, "None is not of type 'object'"],
    [XS, "it's", "\"it's\" is not of type 'object'"],
    [XS, true, "True is not of type 'object'"],
    [XS, [{ a: [1, "b", null, false] }], "[{'a': [1, 'b', None, False]}] is not of type 'object'"],
    [{ ...XS, required: ["what"] }, {}, "'what' is a required property"],
    [{ ...XS, additionalProperties: false }, { x: 1 }, "Additional properties are not allowed ('x' was unexpected)"],
    [
      { ...XS, additionalProperties: false },
      { y: 1, x: 1 },
      "Additional properties are not allowed ('x', 'y' were unexpected)",
    ],
    [
      { ...XS, additionalProperties: false, patternProperties: { "^a": {} } },
      { y: 1 },
      "'y' does not match any of the regexes: '^a'",
    ],
    [{ ...XS, unevaluatedProperties: false }, { y: 1 }, "Unevaluated properties are not allowed ('y' was unexpected)"],
    [{ ...XS, dependentRequired: { a: ["b"] } }, { a: 1 }, "'b' is a dependency of 'a'"],
    [{ ...XS, minProperties: 1 }, {}, "{} does not have enough properties"],
    [{ ...XS, maxProperties: 0 }, { a: 1 }, "{'a': 1} has too many properties"],
    [{ ...XS, propertyNames: { maxLength: 1 } }, { ab: 1 }, "'ab' is too long"],
    [field({ enum: ["b", "c"] }), { x: "a" }, "x: 'a' is not one of ['b', 'c']"],
    [field({ const: 5 }), { x: 4 }, "x: 5 was expected"],
    [field({ minLength: 2 }), { x: "x" }, "x: 'x' is too short"],
    [field({ maxLength: 2 }), { x: "xyz" }, "x: 'xyz' is too long"],
    [field({ minItems: 1 }), { x: [] }, "x: [] is too short"],
    [field({ maxItems: 1 }), { x: [1, 2] }, "x: [1, 2] is too long"],
    [field({ minimum: 3 }), { x: 2 }, "x: 2 is less than the minimum of 3"],
    [field({ maximum: 3 }), { x: 5 }, "x: 5 is greater than the maximum of 3"],
    [field({ exclusiveMinimum: 3 }), { x: 3 }, "x: 3 is less than or equal to the minimum of 3"],
    [field({ exclusiveMaximum: 3 }), { x: 3 }, "x: 3 is greater than or equal to the maximum of 3"],
    [field({ multipleOf: 2 }), { x: 5 }, "x: 5 is not a multiple of 2"],
    [field({ pattern: "^x" }), { x: "abc" }, "x: 'abc' does not match '^x'"],
    [field({ uniqueItems: true }), { x: [1, 1] }, "x: [1, 1] has non-unique elements"],
    [field({ contains: { type: "string" } }), { x: [1] }, "x: [1] does not contain items matching the given schema"],
    [field({ prefixItems: [{}], items: false }), { x: [1, 2] }, "x: [1, 2] has more items than expected"],
    [field({ not: { type: "integer" } }), { x: 1 }, "x: 1 should not be valid under {'type': 'integer'}"],
    [
      field({ anyOf: [{ type: "string" }, { $ref: "#/$defs/n" }] }, { $defs: { n: { minimum: 3, type: "integer" } } }),
      { x: 1 },
      "x: 1 is not valid under any of the given schemas",
    ],
    [
      field({ oneOf: [{ type: "integer" }, { minimum: 0 }] }),
      { x: 1 },
      "x: 1 is valid under more than one of the given schemas",
    ],
    [field({ type: "array", items: { maximum: 3 } }), { x: [1, 5] }, "x[1]: 5 is greater than the maximum of 3"],
    [
      field({ type: "object", properties: { "a/b": { type: "string" } } }),
      { x: { "a/b": 1 } },
      "x.a/b: 1 is not of type 'string'",
    ],
    [field(false as unknown as JsonObject), { x: 1 }, "x: False schema does not allow 1"],
    [{ ...XS, ...CONDITIONAL }, { a: 1 }, "'b' is a required property"],
  ] as [JsonObject, JsonValue, string][])("%j answers %j with the one violation %s", (schema, body, violation) => {
    expect(bodyViolations(schema, body)).toEqual([violation]);
  });

  test("all violations are reported, outer ones first", () => {
    const schema = field({ type: "object", required: ["y"] }, { required: ["a"], additionalProperties: false });
    expect(bodyViolations(schema, { x: {}, z: 1 })).toEqual([
      "'a' is a required property",
      "Additional properties are not allowed ('z' was unexpected)",
      "x: 'y' is a required property",
    ]);
  });

  test("a value that is wrong in very many ways is answered quickly and shortly", () => {
    const schema = {
      type: "object",
      additionalProperties: false,
      properties: { x: { items: { anyOf: [{ type: "string" }] } } },
    };
    const extra = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i]));
    const violations = bodyViolations(schema, { x: Array.from({ length: 100_000 }, (_, i) => i), ...extra });
    expect(violations.length).toBeLessThanOrEqual(100);
    expect(violations.join().length).toBeLessThan(20_000);
    const [names = ""] = bodyViolations({ type: "object", additionalProperties: false }, extra);
    expect(names.length).toBeLessThan(500);
  });

  test("long values are cut", () => {
    const [violation = ""] = bodyViolations(field({ maxLength: 5 }), { x: "y".repeat(100_000) });
    expect(violation.length).toBeLessThan(250);
    expect(violation).toEndWith("… is too long");
  });

  test("`format` and unknown keywords are annotations", () => {
    expect(bodyViolations(field({ type: "string", format: "email", widget: "big" }), { x: "nobody" })).toEqual([]);
  });
});

describe("compileFormSchema()", () => {
  function faults(schema: JsonObject) {
    const compiled = compileFormSchema(schema);
    return compiled.isValid ? [] : compiled.faults.map(({ path, message }) => [path.join("."), message]);
  }

  test.each([
    [{}, "", "input_schema should have type=object, got no type"],
    [{ type: "array" }, "", 'input_schema should have type=object, got "array"'],
    [{ type: ["object"] }, "", 'input_schema should have type=object, got ["object"]'],
    [
      field({ type: "strng" }),
      "properties.x.type",
      'not valid in a JSON Schema: expected one of array, boolean, integer, null, number, object, string, got "strng"',
    ],
    [field({ minLength: -1 }), "properties.x.minLength", "not valid in a JSON Schema: must be >= 0, got -1"],
    [field({}, { required: "x" }), "required", 'not valid in a JSON Schema: must be array, got "x"'],
    [field({}, { allOf: [{ type: 5 }] }), "allOf.0.type", "not valid in a JSON Schema: "],
    [field({ pattern: "(" }), "properties.x.pattern", "not valid in a JSON Schema: expected a regular expression"],
    [field({ pattern: "\\Ax" }), "properties.x.pattern", "not valid in a JSON Schema: expected a regular expression"],
    [field({ $ref: "#/$defs/none" }), "", "not a usable JSON Schema: "],
    [field({ $ref: "https://example.org/schema.json" }), "", "not a usable JSON Schema: "],
    [
      { type: "object", $schema: "http://json-schema.org/draft-07/schema#" },
      "$schema",
      "expected https://json-schema.org/draft/2020-12/schema",
    ],
    [{ type: "object", $async: true }, "$async", "the name $async is reserved"],
    [
      { type: "object", properties: JSON.parse('{"__proto__": {}}') },
      "properties.__proto__",
      "the name __proto__ is reserved",
    ],
    [field({ type: "integer", default: "3" }), "properties.x.default", "does not fit: x: '3' is not of type 'integer'"],
  ] as [JsonObject, string, string][])("refuses %j at %j", (schema, path, message) => {
    const found = faults(schema);
    expect(found.length).toBe(1);
    expect(found[0]?.[0]).toBe(path);
    expect(found[0]?.[1]).toStartWith(message);
  });

  test("reports all faults of a schema", () => {
    expect(faults({ type: "object", required: 5, properties: { x: { type: "a" }, y: { type: "b" } } }).length).toBe(3);
  });

  test("takes the declaration of draft 2020-12, and equal $ids of two applications", () => {
    const schema = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: "https://example.org/x",
      type: "object",
    };
    expect(faults(schema)).toEqual([]);
    expect(faults(schema)).toEqual([]);
  });
});
