import type { JsonValue } from "../core/json.ts";

/** Longer values are cut in messages. */
const MAX_CHARACTERS = 200;

/**
 * Writes a value as Python's `repr` does, since messages about form fields and bodies keep the wording of Python's
 * jsonschema: `'text'`, `True`, `None`, `['a', 1]`, `{'a': 1}`. Long values end in `…`.
 */
export function pythonRepr(value: JsonValue): string {
  const text = repr(value);
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}

function repr(value: JsonValue): string {
  if (value === null) {
    return "None";
  }
  if (typeof value === "boolean") {
    return value ? "True" : "False";
  }
  if (typeof value === "number") {
    return String(value);
  }
  if (typeof value === "string") {
    return reprText(value);
  }
  if (isList(value)) {
    return `[${value.map(repr).join(", ")}]`;
  }
  const entries = Object.entries(value).map(([key, item]) => `${reprText(key)}: ${repr(item)}`);
  return `{${entries.join(", ")}}`;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function reprText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };
  const escaped = text.replaceAll(/[\\\p{C}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    return (
      named[character] ??
      (code < 0x100
        ? `\\x${hex.padStart(2, "0")}`
        : code < 0x10000
          ? `\\u${hex.padStart(4, "0")}`
          : `\\U${hex.padStart(8, "0")}`)
    );
  });
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}
