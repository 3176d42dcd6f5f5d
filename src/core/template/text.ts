import { Fault } from "./errors.ts";
import { floatText } from "./numbers.ts";
import {
  codePoints,
  Dict,
  DictView,
  limitText,
  Namespace,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** What Python's `str.isspace()` and `\s` take for a blank, as the inside of a character class. */
export const BLANKS = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

/** Deeper nesting is refused; Python stops at about a thousand. */
const MAX_DEPTH = 200;

/** Python's `str(value)`: what an expression puts into the command. */
export function textOf(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) return "";
  return limitText(repr(value, 0));
}

/** Python's `repr(value)`, the form that members of a list are shown in. */
export function repr(value: Value, depth: number): string {
  if (depth > MAX_DEPTH) throw new Fault("a value that is nested too deeply");
  // Limited on every level: a few lists that hold each other twice would else grow beyond all memory.
  const all = (items: readonly Value[]) => limitText(items.map((item) => repr(item, depth + 1)).join(", "));
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${all(value)}]`;
  switch (typeof value) {
    case "boolean":
      return value ? "True" : "False";
    case "bigint":
      return String(value);
    case "number":
      return floatText(value);
    case "string":
      return quotedText(value);
  }
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Tuple) return value.items.length === 1 ? `(${all(value.items)},)` : `(${all(value.items)})`;
  if (value instanceof Range) {
    return `range(${value.start}, ${value.stop}${value.step === 1n ? "" : `, ${value.step}`})`;
  }
  if (value instanceof Dict) {
    const pairs = value.entries().map(([key, item]) => `${repr(key, depth + 1)}: ${repr(item, depth + 1)}`);
    return limitText(`{${pairs.join(", ")}}`);
  }
  if (value instanceof DictView) return `dict_${value.kind}([${all(value.items())}])`;
  if (value instanceof Namespace) return `<Namespace ${repr(value.attributes, depth + 1)}>`;
  throw new Fault(`a ${typeName(value)} has no text; take its items with a filter such as list or join`);
}

function quotedText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\'"\p{C}\p{Z}]/gu, (character) => {
    if (character === "\\" || character === quote) return `\\${character}`;
    if (character === " " || character === "'" || character === '"') return character;
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
    if (short !== undefined) return short;
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
  return quote + escaped + quote;
}

/** Python's order of texts: by code point, where JavaScript compares UTF-16 units. */
export function compareTexts(left: string, right: string): number {
  const [a, b] = [codePoints(left), codePoints(right)];
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const difference = (a[index]?.codePointAt(0) ?? 0) - (b[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
