import { assertNever } from "../assert_never.ts";
import { Fault } from "./errors.ts";
import { compareTexts } from "./text.ts";
import { Dict, DictView, iterate, Range, Tuple, typeName, Undefined, type Value } from "./values.ts";

/** The operators that make chains such as `a < b <= c`. */
export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

/** One step of a comparison such as `a < b <= c`. */
export function compare(operator: Comparison, left: Value, right: Value): boolean {
  switch (operator) {
    case "==":
      return isEqual(left, right);
    case "!=":
      return !isEqual(left, right);
    case "<":
      return isLess(left, right, "<");
    case ">":
      return isLess(right, left, ">");
    case "<=":
      return isLess(left, right, "<=") || isEqual(left, right);
    case ">=":
      return isLess(right, left, ">=") || isEqual(left, right);
    case "in":
      return contains(right, left);
    case "not in":
      return !contains(right, left);
    default:
      return assertNever(operator);
  }
}

/** A number for arithmetic and comparison; `true` and `false` count as 1 and 0. */
export function asNumber(value: Value): bigint | number | undefined {
  if (typeof value === "boolean") return value ? 1n : 0n;
  return typeof value === "bigint" || typeof value === "number" ? value : undefined;
}

/** Python's `==`. */
export function isEqual(left: Value, right: Value): boolean {
  if (left === right) return true;
  if (typeof left === "string" || typeof right === "string" || left === null || right === null) return false;
  const [a, b] = [asNumber(left), asNumber(right)];
  // biome-ignore lint/suspicious/noDoubleEquals: the loose comparison of bigint and number is the exact one
  if (a !== undefined && b !== undefined) return a == b;
  if (Array.isArray(left)) return Array.isArray(right) && areEqual(left, right);
  if (left instanceof Tuple) return right instanceof Tuple && areEqual(left.items, right.items);
  if (left instanceof Undefined) return right instanceof Undefined;
  if (left instanceof Range) return right instanceof Range && areEqual([...iterate(left)], [...iterate(right)]);
  if (left instanceof Dict) {
    if (!(right instanceof Dict) || left.size !== right.size) return false;
    return left.entries().every(([key, value]) => {
      const other = right.get(key);
      return other !== undefined && isEqual(value, other);
    });
  }
  if (left instanceof DictView && right instanceof DictView) throw new Fault("comparison of two views of dictionaries");
  return false;
}

function areEqual(left: readonly Value[], right: readonly Value[]): boolean {
  return left.length === right.length && left.every((item, index) => isEqual(item, right[index] ?? null));
}

/** Python's `<`; `operator` is what the author wrote, for the message. */
export function isLess(left: Value, right: Value, operator = "<"): boolean {
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a !== undefined && b !== undefined) return a < b;
  if (typeof left === "string" && typeof right === "string") return compareTexts(left, right) < 0;
  if (Array.isArray(left) && Array.isArray(right)) return isLessSequence(left, right, operator);
  if (left instanceof Tuple && right instanceof Tuple) return isLessSequence(left.items, right.items, operator);
  throw operandFault(operator, left, right);
}

function isLessSequence(left: readonly Value[], right: readonly Value[], operator: string): boolean {
  for (const [index, item] of left.entries()) {
    const other = right[index];
    if (other === undefined) return false;
    if (!isEqual(item, other)) return isLess(item, other, operator);
  }
  return left.length < right.length;
}

/** Why `operator` does not work on these operands, in Python's words. */
export function operandFault(operator: string, left: Value, right: Value): Fault {
  for (const value of [left, right]) if (value instanceof Undefined) return new Fault(value.reason);
  return new Fault(`'${operator}' does not work between '${typeName(left)}' and '${typeName(right)}'`);
}

function contains(container: Value, item: Value): boolean {
  if (typeof container === "string") {
    if (typeof item !== "string") throw operandFault("in", item, container);
    return container.includes(item);
  }
  if (container instanceof Dict) return container.get(item) !== undefined;
  if (container instanceof DictView && container.kind === "keys") return container.dict.get(item) !== undefined;
  for (const other of iterate(container)) if (isEqual(other, item)) return true;
  return false;
}

/** Python's `sorted()`: stable, and an error where two values have no order. */
export function sorted<T>(items: readonly T[], keyOf: (item: T) => Value, isReversed: boolean): T[] {
  const keyed = items.map((item) => ({ item, key: keyOf(item) }));
  const sign = isReversed ? -1 : 1;
  keyed.sort((a, b) => (isLess(a.key, b.key) ? -sign : isLess(b.key, a.key) ? sign : 0));
  return keyed.map(({ item }) => item);
}
