import type { JsonObject, JsonValue } from "../core/json.ts";

/** Longer values are cut in messages. */
const MAX_CHARACTERS = 200;

/**
 * Writes a value as Python's `repr` does, since messages about form fields and bodies keep the wording of Python's
 * jsonschema: `'text'`, `True`, `None`, `['a', 1]`, `{'a': 1}`. Long values end in `…`; no more of them is looked
 * at than is shown.
 */
export function pythonRepr(value: JsonValue): string {
  const text = repr(value, MAX_CHARACTERS);
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}

/** @param room more than so many characters are of no use */
function repr(value: JsonValue, room: number): string {
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
    return reprText(value.slice(0, room + 1));
  }
  if (isList(value)) {
    return `[${joined(value, (item, left) => repr(item, left), room)}]`;
  }
  return `{${joined(ownKeys(value), (key, left) => `${repr(key, left)}: ${repr(value[key] ?? null, left)}`, room)}}`;
}

function joined<T>(items: Iterable<T>, write: (item: T, room: number) => string, room: number): string {
  let text = "";
  for (const item of items) {
    if (text.length > room) {
      break;
    }
    text += (text === "" ? "" : ", ") + write(item, room - text.length);
  }
  return text;
}

/** Like `Object.keys`, without making a list of them all. */
function* ownKeys(value: JsonObject): Iterable<string> {
  for (const key in value) {
    if (Object.hasOwn(value, key)) {
      yield key;
    }
  }
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
