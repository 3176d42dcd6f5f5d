import type { JsonValue } from "../core/json.ts";

/**
 * Writes an answer of the console as JSON: names in snake case, and points in time (`onMs`, `…OnMs`) as ISO 8601 text
 * (`on`, `…_on`). Names must not be data.
 */
export function encode(value: unknown): JsonValue {
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== "object" || value === null) return value as JsonValue;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) =>
      TIME.test(name)
        ? [
            snake(name.slice(0, -"Ms".length)),
            typeof inner === "number" ? new Date(inner).toISOString() : encode(inner),
          ]
        : [snake(name), encode(inner)],
    ),
  );
}

/** Reads what {@link encode} wrote; `T` is what was given to it. */
export function decode<T>(value: JsonValue): T {
  return read(value) as T;
}

const TIME = /(^o|O)nMs$/;
const WRITTEN_TIME = /(^|_)on$/;

function read(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map(read);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      if (!WRITTEN_TIME.test(name)) return [camel, read(inner)];
      return [`${camel}Ms`, typeof inner === "string" ? Date.parse(inner) : inner];
    }),
  );
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
