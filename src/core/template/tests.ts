import { type Comparison, compare, isEqual } from "./comparison.ts";
import { Fault } from "./errors.ts";
import { calculate } from "./operators.ts";
import { textOf } from "./text.ts";
import { isLower, isUpper } from "./text_operations.ts";
import { Callable, Dict, DictView, Loop, Range, Stream, Tuple, typeName, Undefined, type Value } from "./values.ts";

/** One test of the `is` operator, with the number of its arguments. */
export interface TemplateTest {
  readonly argumentCount: number;
  run(value: Value, argument: Value): boolean;
}

function test(run: (value: Value) => boolean): TemplateTest {
  return { argumentCount: 0, run };
}

function testBy(run: (value: Value, argument: Value) => boolean): TemplateTest {
  return { argumentCount: 1, run };
}

function comparison(operator: Comparison, ...names: readonly string[]): (readonly [string, TemplateTest])[] {
  return [operator, ...names].map((name) => [name, testBy((value, argument) => compare(operator, value, argument))]);
}

const isNumber = (value: Value) => ["boolean", "bigint", "number"].includes(typeof value);
const isSized = (value: Value) =>
  typeof value === "string" ||
  Array.isArray(value) ||
  [Tuple, Dict, Range, Undefined].some((kind) => value instanceof kind);
const rest = (value: Value, divisor: Value) => calculate("%", value, divisor);

/** The tests by name. All others of Jinja2 are refused when a template is parsed. */
export const TESTS: ReadonlyMap<string, TemplateTest> = new Map<string, TemplateTest>([
  ["defined", test((value) => !(value instanceof Undefined))],
  ["undefined", test((value) => value instanceof Undefined)],
  ["none", test((value) => value === null)],
  ["boolean", test((value) => typeof value === "boolean")],
  ["true", test((value) => value === true)],
  ["false", test((value) => value === false)],
  ["integer", test((value) => typeof value === "bigint")],
  ["float", test((value) => typeof value === "number")],
  ["number", test(isNumber)],
  ["string", test((value) => typeof value === "string")],
  ["mapping", test((value) => value instanceof Dict)],
  ["sequence", test(isSized)],
  ["iterable", test((value) => isSized(value) || [DictView, Stream, Loop].some((kind) => value instanceof kind))],
  ["callable", test((value) => value instanceof Callable || value instanceof Undefined)],
  ["lower", test((value) => isLower(textOf(value)))],
  ["upper", test((value) => isUpper(textOf(value)))],
  ["odd", test((value) => isEqual(rest(value, 2n), 1n))],
  ["even", test((value) => isEqual(rest(value, 2n), 0n))],
  ["divisibleby", testBy((value, divisor) => isEqual(rest(value, divisor), 0n))],
  ["sameas", testBy(isSame)],
  ...comparison("==", "eq", "equalto"),
  ...comparison("!=", "ne"),
  ...comparison(">", "gt", "greaterthan"),
  ...comparison(">=", "ge"),
  ...comparison("<", "lt", "lessthan"),
  ...comparison("<=", "le"),
  ...comparison("in"),
]);

/** Python's `is`, which depends on the interpreter for texts and numbers. */
function isSame(value: Value, other: Value): boolean {
  const isSettled = [value, other].some((side) => side === null || typeof side === "boolean" || Array.isArray(side));
  if (isSettled || typeName(value) !== typeName(other)) return value === other;
  throw new Fault(`sameas between two values of type ${typeName(value)}`);
}
