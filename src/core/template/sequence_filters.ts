import { isEqual, isLess, sorted } from "./comparison.ts";
import { Fault } from "./errors.ts";
import { type Filter, filter } from "./filter.ts";
import { itemOf } from "./members.ts";
import { integer } from "./methods.ts";
import { calculate } from "./operators.ts";
import { textOf } from "./text.ts";
import {
  Dict,
  DictView,
  hashKey,
  isTruthy,
  iterate,
  lengthOf,
  limitItems,
  limitText,
  Stream,
  Tuple,
  toList,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/**
 * Jinja2's look-up of `attribute`, e.g. `"a.b"` or `0`, in items.
 *
 * @param otherwise put in the place of what is undefined on the way, unless it is None
 */
export function memberGetter(attribute: Value, otherwise: Value = null): (item: Value) => Value {
  const parts: Value[] =
    typeof attribute === "string"
      ? attribute.split(".").map((part) => (/^\d+$/.test(part) ? BigInt(part) : part))
      : attribute === null
        ? []
        : [attribute];
  return (item) =>
    parts.reduce<Value>((object, part) => {
      const member = itemOf(object, part);
      return otherwise !== null && member instanceof Undefined ? otherwise : member;
    }, item);
}

/** The value that items are ordered by; texts are compared without case unless told otherwise. */
function orderKey(isCaseSensitive: Value, attribute: Value, otherwise: Value = null): (item: Value) => Value {
  const get = memberGetter(attribute, otherwise);
  return (item) => {
    const key = get(item);
    return typeof key === "string" && !isTruthy(isCaseSensitive) ? key.toLowerCase() : key;
  };
}

const length = filter("", (value) => {
  const count = lengthOf(value);
  if (count === undefined) throw new Fault(`object of type '${typeName(value)}' has no len()`);
  return BigInt(count);
});

/** The filters that work on lists and dictionaries, but for `map`, `select` and the like. */
export const SEQUENCE_FILTERS: readonly (readonly [string, Filter])[] = [
  ["length", length],
  ["count", length],
  ["list", filter("", toList)],
  [
    "first",
    filter("", (value) => {
      for (const item of iterate(value)) return item;
      return new Undefined("No first item, sequence was empty.");
    }),
  ],
  ["last", filter("", last)],
  ["reverse", filter("", reverse)],
  ["join", filter("d attribute", join)],
  ["sum", filter("attribute start", sum)],
  ["min", filter("case_sensitive attribute", (value, ...by) => extreme(value, by, (key, best) => isLess(key, best)))],
  ["max", filter("case_sensitive attribute", (value, ...by) => extreme(value, by, (key, best) => isLess(best, key)))],
  ["sort", filter("reverse case_sensitive attribute", sort)],
  ["dictsort", filter("case_sensitive by reverse", dictSort)],
  ["unique", filter("case_sensitive attribute", (value, ...by) => new Stream(unique(value, by)))],
  ["groupby", filter("attribute | default case_sensitive", groupBy)],
  ["items", filter("", (value) => new Stream(pairs(value)))],
  ["batch", filter("linecount | fill_with", (value, count, fill) => new Stream(batch(value, integer(count), fill)))],
];

function last(value: Value): Value {
  if (value instanceof Stream) throw new Fault("'generator' object is not reversible");
  const item = toList(value).at(-1);
  return item === undefined ? new Undefined("No last item, sequence was empty.") : item;
}

function reverse(value: Value): Value {
  if (typeof value === "string") return Array.from(value).reverse().join("");
  const items = toList(value).reverse();
  return value instanceof Stream ? items : new Stream(items);
}

function join(value: Value, separator: Value = "", attribute: Value = null): Value {
  const get = memberGetter(attribute);
  const texts: string[] = [];
  let size = 0;
  for (const item of iterate(value)) {
    const itemText = textOf(get(item));
    size += itemText.length;
    limitText(itemText);
    limitItems(texts.push(itemText));
  }
  const between = textOf(separator);
  if (size + between.length * texts.length > 2 ** 22) throw new Fault("join makes too long a text");
  return limitText(texts.join(between));
}

/**
 * Python's `sum()`. Since 3.12 it loses less of the small parts of floats, so a result that depends on the version of
 * Python is refused.
 */
function sum(value: Value, attribute: Value = null, start: Value = 0n): Value {
  const get = memberGetter(attribute);
  if (typeof start === "string") throw new Fault("sum() can't sum strings");
  let total: Value = start;
  let plain = 0;
  let lost = 0;
  for (const item of iterate(value)) {
    const next = get(item);
    total = calculate("+", total, next);
    if (typeof total !== "number") {
      plain = typeof total === "bigint" ? Number(total) : 0;
      continue;
    }
    const added = Number(next);
    const rounded = plain + added;
    lost += Math.abs(plain) >= Math.abs(added) ? plain - rounded + added : added - rounded + plain;
    plain = rounded;
  }
  if (typeof total === "number" && Number.isFinite(total) && plain + lost !== total) {
    throw new Fault("a sum of floats that depends on the version of Python");
  }
  return total;
}

function extreme(
  value: Value,
  [isCaseSensitive = false, attribute = null]: readonly (Value | undefined)[],
  isBetter: (key: Value, best: Value) => boolean,
): Value {
  const keyOf = orderKey(isCaseSensitive, attribute);
  let best: { readonly item: Value; readonly key: Value } | undefined;
  for (const item of iterate(value)) {
    const key = keyOf(item);
    if (best === undefined || isBetter(key, best.key)) best = { item, key };
  }
  return best?.item ?? (best ? null : new Undefined("No aggregated item, sequence was empty."));
}

function sort(value: Value, isReversed: Value = false, isCaseSensitive: Value = false, attribute: Value = null): Value {
  const attributes = typeof attribute === "string" ? attribute.split(",") : [attribute];
  const getters = attributes.map((part) => orderKey(isCaseSensitive, part));
  return sorted(toList(value), (item) => getters.map((get) => get(item)), isTruthy(isReversed));
}

function dictSort(value: Value, isCaseSensitive: Value = false, by: Value = "key", isReversed: Value = false): Value {
  if (by !== "key" && by !== "value") throw new Fault('You can only sort by either "key" or "value"');
  if (value instanceof Undefined) throw new Fault(value.reason);
  if (!(value instanceof Dict)) throw new Fault(`'${typeName(value)}' object has no attribute 'items'`);
  const keyOf = orderKey(isCaseSensitive, by === "key" ? 0n : 1n);
  return sorted(new DictView(value, "items").items(), keyOf, isTruthy(isReversed));
}

function* unique(value: Value, [isCaseSensitive = false, attribute = null]: readonly (Value | undefined)[]) {
  const keyOf = orderKey(isCaseSensitive, attribute);
  const seen = new Set<string>();
  for (const item of iterate(value)) {
    const hash = hashKey(keyOf(item));
    if (seen.has(hash)) continue;
    seen.add(hash);
    yield item;
  }
}

function groupBy(
  value: Value,
  attribute: Value = null,
  otherwise: Value = null,
  isCaseSensitive: Value = false,
): Value {
  const keyOf = orderKey(isCaseSensitive, attribute, otherwise);
  const shownKeyOf = orderKey(true, attribute, otherwise);
  const groups: { readonly key: Value; readonly items: Value[] }[] = [];
  for (const item of sorted(toList(value), keyOf, false)) {
    const key = keyOf(item);
    const last = groups.at(-1);
    if (last && isEqual(last.key, key)) last.items.push(item);
    else groups.push({ key, items: [item] });
  }
  return groups.map(({ items }) => new Tuple([shownKeyOf(items[0] ?? null), items], ["grouper", "list"]));
}

function* pairs(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) throw new Fault("Can only get item pairs from a mapping.");
  yield* new DictView(value, "items").items();
}

function* batch(value: Value, count: number, fill: Value = null): Generator<Value> {
  let line: Value[] = [];
  for (const item of iterate(value)) {
    if (line.length === count) {
      yield line;
      line = [];
    }
    line.push(item);
  }
  if (line.length === 0) return;
  limitItems(count);
  if (fill !== null) while (line.length < count) line.push(fill);
  yield line;
}
