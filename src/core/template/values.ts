import { Fault } from "./errors.ts";

/**
 * The Python values that a template can hold: None is `null`, int is `bigint`, float is `number`, str is `string`,
 * list is an array; everything else is a class below. Plain JavaScript objects never get in.
 */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Value[]
  | Tuple
  | Dict
  | Range
  | DictView
  | Stream
  | Undefined
  | Namespace
  | Loop
  | Callable;

/** Longest text and output, in UTF-16 units. */
const MAX_TEXT = 2 ** 20;
/** Longest list, tuple, dictionary or range. */
const MAX_ITEMS = 100_000;

/** What Jinja2 has for a name or member that is not there: empty text, no items, false; most operations fail. */
export class Undefined {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** An immutable sequence; `labels` names the members of the pairs that `groupby` makes. */
export class Tuple {
  readonly items: readonly Value[];
  readonly labels: readonly string[];
  constructor(items: readonly Value[], labels: readonly string[] = []) {
    this.items = items;
    this.labels = labels;
  }
}

/** A dictionary in insertion order, with Python's rule that `1`, `1.0` and `true` are one key. */
export class Dict {
  readonly #entries = new Map<string, readonly [key: Value, value: Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }
  get size(): number {
    return this.#entries.size;
  }
  get(key: Value): Value | undefined {
    return this.#entries.get(hashKey(key))?.[1];
  }
  set(key: Value, value: Value): void {
    const hash = hashKey(key);
    this.#entries.set(hash, [this.#entries.get(hash)?.[0] ?? key, value]);
  }
  keys(): Value[] {
    return [...this.#entries.values()].map(([key]) => key);
  }
  entries(): (readonly [Value, Value])[] {
    return [...this.#entries.values()];
  }
}

/** The numbers of `range()`, not made before they are needed. */
export class Range {
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;
  readonly length: number;

  constructor(start: bigint, stop: bigint, step: bigint) {
    if (step === 0n) throw new Fault("range() arg 3 must not be zero");
    const span = step > 0n ? stop - start + step - 1n : start - stop - step - 1n;
    const length = span / (step > 0n ? step : -step);
    if (length > BigInt(MAX_ITEMS)) throw new Fault(`range() of more than ${MAX_ITEMS} numbers`);
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.length = length > 0n ? Number(length) : 0;
  }
  at(index: number): bigint {
    return this.start + this.step * BigInt(index);
  }
}

/** What `.keys()`, `.values()` and `.items()` of a dictionary give. */
export class DictView {
  readonly dict: Dict;
  readonly kind: "keys" | "values" | "items";
  constructor(dict: Dict, kind: "keys" | "values" | "items") {
    this.dict = dict;
    this.kind = kind;
  }
  items(): Value[] {
    if (this.kind === "keys") return this.dict.keys();
    return this.dict.entries().map(([key, value]) => (this.kind === "values" ? value : new Tuple([key, value])));
  }
}

/** A Python generator or iterator: its items can be taken once, and are made when they are taken. */
export class Stream {
  readonly iterator: Iterator<Value>;
  constructor(items: Iterable<Value>) {
    this.iterator = items[Symbol.iterator]();
  }
}

/** The result of `namespace()`: a place for values that outlive a loop. */
export class Namespace {
  readonly attributes: Dict;
  constructor(attributes: Dict) {
    this.attributes = attributes;
  }
}

/** The variable `loop`; its members are read by name. */
export class Loop {
  readonly member: (name: string) => Value | undefined;
  readonly call: (name: string, args: readonly Value[]) => Value | undefined;
  constructor(
    member: (name: string) => Value | undefined,
    call: (name: string, args: readonly Value[]) => Value | undefined,
  ) {
    this.member = member;
    this.call = call;
  }
}

/** Arguments given by name. */
export type NamedArguments = ReadonlyMap<string, Value>;

/** A global function or a macro. */
export class Callable {
  readonly name: string;
  readonly call: (args: readonly Value[], named: NamedArguments) => Value;
  constructor(name: string, call: (args: readonly Value[], named: NamedArguments) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** The name of the Python type, for messages. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (Array.isArray(value)) return "list";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "float";
    case "string":
      return "str";
  }
  if (value instanceof Dict) return "dict";
  if (value instanceof DictView) return `dict_${value.kind}`;
  if (value instanceof Tuple) return "tuple";
  if (value instanceof Range) return "range";
  if (value instanceof Stream) return "generator";
  if (value instanceof Loop) return "LoopContext";
  if (value instanceof Callable) return "function";
  return value instanceof Undefined ? "Undefined" : "Namespace";
}

/** The equality class of a dictionary key. */
export function hashKey(value: Value): string {
  if (typeof value === "string") return `s${value}`;
  if (value === null) return "N";
  if (typeof value === "boolean") return `n${Number(value)}`;
  if (typeof value === "bigint") return `n${value}`;
  if (typeof value === "number") return Number.isInteger(value) ? `n${BigInt(value)}` : `n${value}`;
  if (value instanceof Undefined) return "U";
  if (value instanceof Tuple) return `t${value.items.map(hashKey).map((hash) => `${hash.length}:${hash}`)}`;
  throw new Fault(`unhashable type: '${typeName(value)}'`);
}

/** True when Jinja2 takes the value for true in `if`, `and`, `or` and `not`. */
export function isTruthy(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value !== "object") return Boolean(value);
  return lengthOf(value) !== 0;
}

/** What `len()` gives, or undefined for a type without a length. */
export function lengthOf(value: Value): number | undefined {
  if (typeof value === "string") return codePoints(value).length;
  if (Array.isArray(value) || value instanceof Range) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof DictView) return value.dict.size;
  return value instanceof Undefined ? 0 : undefined;
}

const SURROGATE = /[\ud800-\udfff]/;

/** The characters of a text as Python counts them. */
export function codePoints(text: string): string | readonly string[] {
  return SURROGATE.test(text) ? Array.from(text) : text;
}

/** The items of anything that `for` can walk through. */
export function iterate(value: Value): Iterable<Value> {
  if (typeof value === "string" || Array.isArray(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof DictView) return value.items();
  if (value instanceof Range) return Array.from({ length: value.length }, (_, index) => value.at(index));
  if (value instanceof Undefined) return [];
  // Not the iterator itself: leaving a `for…of` early would end it, but in Python the rest stays there to be taken.
  if (value instanceof Stream) return { [Symbol.iterator]: () => ({ next: () => value.iterator.next() }) };
  throw new Fault(`'${typeName(value)}' object is not iterable`);
}

/** All items as a new list. */
export function toList(value: Value): Value[] {
  const items: Value[] = [];
  for (const item of iterate(value)) {
    items.push(item);
    limitItems(items.length);
  }
  return items;
}

/** Refuses a list of more than {@link MAX_ITEMS}. */
export function limitItems(length: number | bigint): void {
  if (length > MAX_ITEMS) throw new Fault(`more than ${MAX_ITEMS} items`);
}

/** Refuses a text of more than {@link MAX_TEXT}, else gives it back. */
export function limitText(text: string): string {
  limitLength(text.length);
  return text;
}

/** Refuses a text before it is made. */
export function limitLength(length: number | bigint): void {
  if (length > MAX_TEXT) throw new Fault(`text of more than ${MAX_TEXT} characters`);
}
