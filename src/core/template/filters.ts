import { shellQuote } from "../shell_quote.ts";
import { asNumber } from "./comparison.ts";
import { Fault } from "./errors.ts";
import { type Filter, filter } from "./filter.ts";

import { integer, text } from "./methods.ts";
import { parseFloatText, parseInteger, roundFloat, roundInteger, toFloat } from "./numbers.ts";
import { calculate } from "./operators.ts";
import { SEQUENCE_FILTERS } from "./sequence_filters.ts";
import { BLANKS, textOf } from "./text.ts";
import { capitalize, centered, padded, replaceText, splitLines, strip } from "./text_operations.ts";
import {
  codePoints,
  Dict,
  isTruthy,
  iterate,
  limitLength,
  limitText,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** Those whose result is marked as safe HTML in Jinja2, where it then behaves unlike other text. */
export const MARKUP_FILTERS: ReadonlySet<string> = new Set(["e", "escape", "safe", "tojson"]);

const orDefault = filter("default_value boolean", (value, otherwise = "", isBoolean = false) =>
  value instanceof Undefined || (isTruthy(isBoolean) && !isTruthy(value)) ? otherwise : value,
);
const escaping = filter("", (value) =>
  textOf(value).replace(
    /[&<>'"]/g,
    (character) => `&${{ "&": "amp", "<": "lt", ">": "gt", "'": "#39", '"': "#34" }[character]};`,
  ),
);

/** The filters by name. All others of Jinja2 are refused when a template is parsed. */
export const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...SEQUENCE_FILTERS,
  ["q", filter("", (value) => quoted(textOf(value)))],
  ["default", orDefault],
  ["d", orDefault],
  ["e", escaping],
  ["escape", escaping],
  ["safe", filter("", textOf)],
  ["string", filter("", textOf)],
  ["tojson", filter("", (value) => htmlSafe(json(value)))],
  ["upper", filter("", (value) => textOf(value).toUpperCase())],
  ["lower", filter("", (value) => textOf(value).toLowerCase())],
  ["capitalize", filter("", (value) => capitalize(textOf(value)))],
  ["title", filter("", (value) => title(textOf(value)))],
  ["trim", filter("chars", (value, set = null) => strip(textOf(value), "both", set === null ? undefined : text(set)))],
  ["center", filter("width", (value, width = 80n) => padded(textOf(value), integer(width), " ", centered))],
  [
    "replace",
    filter("old new|count", (value, old = "", next = "", count = null) =>
      replaceText(textOf(value), textOf(old), textOf(next), count === null ? -1 : integer(count)),
    ),
  ],
  ["indent", filter("width first blank", indent)],
  ["truncate", filter("length killwords end leeway", truncate)],
  ["wordcount", filter("", (value) => BigInt(textOf(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0))],
  ["urlencode", filter("", urlEncode)],
  ["abs", filter("", absolute)],
  ["int", filter("default base", toInteger)],
  ["float", filter("default", toFloatOr)],
  ["round", filter("precision method", round)],
]);

function quoted(value: string): string {
  try {
    return shellQuote(value);
  } catch (error) {
    if (error instanceof RangeError) throw new Fault(error.message);
    throw error;
  }
}

function title(value: string): string {
  const words = value.split(new RegExp(`([-${BLANKS}({\\[<]+)`));
  return words
    .map((word) => {
      const [first = ""] = word;
      return first.toUpperCase() + word.slice(first.length).toLowerCase();
    })
    .join("");
}

function indent(value: Value, width: Value = 4n, first: Value = false, blank: Value = false): Value {
  const indention = typeof width === "string" ? width : padded("", integer(width), " ", () => 0);
  const lines = splitLines(`${text(value)}\n`);
  limitLength(lines.length * indention.length);
  const indented = lines.map((line, index) =>
    index > 0 && (line !== "" || isTruthy(blank)) ? indention + line : line,
  );
  return limitText((isTruthy(first) ? indention : "") + indented.join("\n"));
}

function truncate(
  value: Value,
  length: Value = 255n,
  killwords: Value = false,
  end: Value = "...",
  leeway: Value = null,
): Value {
  if (value instanceof Undefined) return value;
  const characters = [...text(value)];
  const kept = integer(length) - codePoints(text(end)).length;
  const slack = leeway === null ? 5 : integer(leeway);
  if (kept < 0 || slack < 0) throw new Fault("truncate: length or leeway is too small");
  if (characters.length <= integer(length) + slack) return value;
  const start = characters.slice(0, kept).join("");
  const space = start.lastIndexOf(" ");
  return (isTruthy(killwords) || space < 0 ? start : start.slice(0, space)) + text(end);
}

function urlEncode(value: Value): Value {
  const encode = (part: Value, isQuery: boolean) => {
    const partText = textOf(part);
    if (/\p{Cs}/u.test(partText)) throw new Fault("urlencode: surrogates not allowed");
    const escaped = encodeURIComponent(partText).replace(
      /[!'()*]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
    );
    return isQuery ? escaped.replaceAll("%20", "+") : escaped.replaceAll("%2F", "/");
  };
  if (typeof value !== "object" || value === null) return encode(value, false);
  const pairs: string[] = [];
  for (const pair of value instanceof Dict ? value.entries() : iterate(value)) {
    const [key, item, ...rest] = value instanceof Dict ? (pair as readonly [Value, Value]) : iterate(pair as Value);
    if (key === undefined || item === undefined || rest.length > 0) throw new Fault("urlencode: expected pairs");
    pairs.push(`${encode(key, true)}=${encode(item, true)}`);
  }
  return limitText(pairs.join("&"));
}

function absolute(value: Value): Value {
  const number = asNumber(value);
  if (value instanceof Undefined) throw new Fault(value.reason);
  if (number === undefined) throw new Fault(`bad operand type for abs(): '${typeName(value)}'`);
  return typeof number === "bigint" ? (number < 0n ? -number : number) : Math.abs(number);
}

function toInteger(value: Value, otherwise: Value = 0n, base: Value = 10n): Value {
  if (value instanceof Undefined) throw new Fault(value.reason);
  const number = asNumber(value);
  if (typeof number === "bigint") return number;
  if (number !== undefined) {
    if (!Number.isFinite(number)) throw new Fault("cannot convert float infinity to integer");
    return BigInt(Math.trunc(number));
  }
  if (typeof value !== "string") return otherwise;
  const radix = integer(base);
  const parsed = radix === 0 || (radix >= 2 && radix <= 36) ? parseInteger(value, radix) : undefined;
  const float = parsed === undefined ? parseFloatText(value) : undefined;
  return parsed ?? (float !== undefined && Number.isFinite(float) ? BigInt(Math.trunc(float)) : otherwise);
}

function toFloatOr(value: Value, otherwise: Value = 0): Value {
  if (value instanceof Undefined) throw new Fault(value.reason);
  const number = asNumber(value);
  if (number !== undefined) return typeof number === "bigint" ? toFloat(number) : number;
  return (typeof value === "string" ? parseFloatText(value) : undefined) ?? otherwise;
}

function round(value: Value, precision: Value = 0n, method: Value = "common"): Value {
  const number = asNumber(value);
  const digits = integer(precision);
  if (value instanceof Undefined) throw new Fault(value.reason);
  if (number === undefined) throw new Fault(`${typeName(value)} cannot be rounded`);
  if (method === "common") {
    if (typeof number === "number") return roundFloat(number, digits);
    return digits >= 0 ? number : roundInteger(number, digits);
  }
  if (method !== "ceil" && method !== "floor") throw new Fault("method must be common, ceil or floor");
  if (digits < 0 || digits > 300) throw new Fault(`precision ${digits} for ${method}`);
  const unit = 10n ** BigInt(digits);
  const product = calculate("*", number, unit);
  if (typeof product === "number" && !Number.isFinite(product))
    throw new Fault("cannot convert float infinity to integer");
  const whole = typeof product === "number" ? BigInt(Math[method](product)) : product;
  return calculate("/", whole, unit);
}

/** `json.dumps(value, sort_keys=True)`. */
function json(value: Value): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (typeof value === "number" || typeof value === "bigint") return textOf(value);
  if (typeof value === "string") {
    return JSON.stringify(value).replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  }
  if (Array.isArray(value)) return limitText(`[${value.map(json).join(", ")}]`);
  if (value instanceof Tuple) return `[${value.items.map(json).join(", ")}]`;
  if (!(value instanceof Dict)) throw new Fault(`Object of type ${typeName(value)} is not JSON serializable`);
  const pairs = FILTERS.get("dictsort")?.run(value, [true]);
  const members = Array.isArray(pairs) ? pairs : [];
  const shown = members.map((pair) => {
    const [key = null, item = null] = pair instanceof Tuple ? pair.items : [];
    if (key instanceof Tuple || key instanceof Undefined) throw new Fault("keys must be str, int, float, bool or None");
    return `${typeof key === "string" ? json(key) : `"${json(key)}"`}: ${json(item)}`;
  });
  return `{${shown.join(", ")}}`;
}

function htmlSafe(source: string): string {
  const escaped = source.replace(/[<>&']/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
  return limitText(escaped);
}
