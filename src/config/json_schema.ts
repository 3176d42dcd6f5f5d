import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { configFileSchema } from "./schema.ts";

/**
 * The JSON Schema (draft 2020-12) of config.yaml, for editors.
 *
 * It is a little stricter than the service, which also takes quoted numbers and the like.
 */
export function configJsonSchema(): JsonObject {
  const plain = JSON.parse(JSON.stringify(configFileSchema)) as JsonObject;
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...withoutDefaultedKeys(plain) };
}

/** config.schema.json as it is committed and printed. */
export function configJsonSchemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}

/** Takes the keys that have a default off `required`: the description means the file after reading. */
function withoutDefaultedKeys(schema: JsonObject): JsonObject {
  const entries = Object.entries(schema).map(([key, value]): [string, JsonValue] => {
    if (key === "default") {
      return [key, value];
    }
    if (key === "required" && Array.isArray(value)) {
      return [key, value.filter((name) => !hasDefault(schema, name))];
    }
    if (Array.isArray(value)) {
      return [key, value.map((item) => (isJsonObject(item) ? withoutDefaultedKeys(item) : item))];
    }
    return [key, isJsonObject(value) ? withoutDefaultedKeys(value) : value];
  });
  return Object.fromEntries(entries.filter(([key, value]) => key !== "required" || (value as []).length > 0));
}

function hasDefault(schema: JsonObject, name: JsonValue): boolean {
  const { properties } = schema;
  const property = isJsonObject(properties) && typeof name === "string" ? properties[name] : undefined;
  return isJsonObject(property) && "default" in property;
}
