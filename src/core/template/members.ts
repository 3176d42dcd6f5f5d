import { Fault } from "./errors.ts";
import { repr } from "./text.ts";
import {
  Callable,
  codePoints,
  Dict,
  Loop,
  Namespace,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

const INTEGER = "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes";

/**
 * Attributes of the Python types. Jinja2 finds them where a key is not found, or even before the key, and then shows
 * something like `<built-in method items …>`; no template means that, so it is refused.
 */
const PYTHON_ATTRIBUTES: Readonly<Record<string, ReadonlySet<string>>> = {
  dict: words("clear copy fromkeys get items keys pop popitem setdefault update values"),
  str: words(
    "capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii " +
      "isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip " +
      "maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split " +
      "splitlines startswith strip swapcase title translate upper zfill",
  ),
  list: words("append clear copy count extend index insert pop remove reverse sort"),
  tuple: words("count index"),
  int: words(INTEGER),
  bool: words(INTEGER),
  float: words("as_integer_ratio conjugate fromhex hex imag is_integer real"),
  range: words("count index start step stop"),
  generator: words("close gi_code gi_frame gi_running gi_suspended gi_yieldfrom send throw"),
  dict_keys: words("isdisjoint mapping"),
  dict_values: words("mapping"),
  dict_items: words("isdisjoint mapping"),
  LoopContext: words("changed cycle"),
};

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}

/** True for names such as `__class__`, which lead out of the template in Python. */
export function isSpecialName(name: string): boolean {
  return name.startsWith("__") && name.endsWith("__");
}

/** Jinja2's `object.name` without a call. */
export function attributeOf(object: Value, name: string): Value {
  if (object instanceof Undefined) throw new Fault(object.reason);
  const attribute = ownAttribute(object, name);
  return attribute === undefined ? orMissing(itemAt(object, name), object, name) : attribute;
}

/** Jinja2's `object[key]`, which falls back to an attribute when the key is a text. */
export function itemOf(object: Value, key: Value): Value {
  if (object instanceof Undefined) throw new Fault(object.reason);
  const item = itemAt(object, key);
  if (item !== undefined || typeof key !== "string") return orMissing(item, object, key);
  return orMissing(ownAttribute(object, key), object, key);
}

/** None is `null`, which `??` would take for missing as well. */
function orMissing(value: Value | undefined, object: Value, key: Value): Value {
  return value === undefined ? missing(object, key) : value;
}

function missing(object: Value, key: Value): Undefined {
  const type = typeName(object);
  return typeof key === "string"
    ? new Undefined(`'${type} object' has no attribute ${repr(key, 0)}`)
    : new Undefined(`${type} object has no element ${describe(key)}`);
}

function describe(key: Value): string {
  try {
    return repr(key, 0);
  } catch (error) {
    if (error instanceof Fault) return `of type ${typeName(key)}`;
    throw error;
  }
}

function ownAttribute(object: Value, name: string): Value | undefined {
  if (object instanceof Namespace) return object.attributes.get(name);
  if (object instanceof Tuple && object.labels.includes(name)) return object.items[object.labels.indexOf(name)];
  const isOpaque = object instanceof Callable || (object instanceof Loop && name.startsWith("_"));
  if (isOpaque || isSpecialName(name) || PYTHON_ATTRIBUTES[typeName(object)]?.has(name)) {
    throw new Fault(`"${name}" is an attribute that Python gives to every ${typeName(object)}`);
  }
  if (object instanceof Loop) return object.member(name);
  return undefined;
}

/** `object[key]` without the fallback; undefined where Python raises. */
function itemAt(object: Value, key: Value): Value | undefined {
  if (object instanceof Dict) return isHashable(key) ? object.get(key) : undefined;
  if (typeof key !== "bigint" && typeof key !== "boolean") return undefined;
  const length = sequenceLength(object);
  if (length === undefined) return undefined;
  const index = BigInt(key);
  const position = index < 0n ? index + BigInt(length) : index;
  if (position < 0n || position >= BigInt(length)) return undefined;
  return elementAt(object, Number(position));
}

function isHashable(key: Value): boolean {
  return key instanceof Tuple ? key.items.every(isHashable) : !(Array.isArray(key) || key instanceof Dict);
}

function sequenceLength(object: Value): number | undefined {
  if (typeof object === "string") return codePoints(object).length;
  if (object instanceof Tuple) return object.items.length;
  return Array.isArray(object) || object instanceof Range ? object.length : undefined;
}

function elementAt(object: Value, index: number): Value | undefined {
  if (typeof object === "string") return codePoints(object)[index];
  if (object instanceof Range) return object.at(index);
  return object instanceof Tuple ? object.items[index] : Array.isArray(object) ? object[index] : undefined;
}

/** Python's `object[start:stop:step]`. */
export function sliceOf(object: Value, bounds: readonly [start: Value, stop: Value, step: Value]): Value {
  if (object instanceof Undefined) throw new Fault(object.reason);
  const length = sequenceLength(object);
  if (length === undefined || object instanceof Range) throw new Fault(`slice of a ${typeName(object)}`);
  const [start, stop, step = 1] = bounds.map(bound);
  if (step === 0) throw new Fault("slice step cannot be zero");
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
  const place = (value: number | undefined, whenAbsent: number) =>
    value === undefined ? whenAbsent : Math.min(Math.max(value < 0 ? value + length : value, low), high);
  const first = place(start, step > 0 ? low : high);
  const end = place(stop, step > 0 ? high : low);
  const picked: Value[] = [];
  for (let index = first; step > 0 ? index < end : index > end; index += step)
    picked.push(elementAt(object, index) ?? null);
  if (typeof object === "string") return picked.join("");
  return object instanceof Tuple ? new Tuple(picked) : picked;
}

function bound(value: Value): number | undefined {
  if (value === null) return undefined;
  if (value instanceof Undefined) throw new Fault(value.reason);
  if (typeof value !== "bigint" && typeof value !== "boolean")
    throw new Fault("slice indices must be integers or None");
  // Beyond every length, all bounds are alike.
  return Math.min(Math.max(Number(value), -(2 ** 40)), 2 ** 40);
}
