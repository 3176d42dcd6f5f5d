import { assertNever } from "../assert_never.ts";
import type { Expression, NamedExpressions, PerItem } from "./ast.ts";
import { compare } from "./comparison.ts";
import { Fault } from "./errors.ts";
import { percentFormat } from "./format.ts";
import type { Frame } from "./frame.ts";
import { attributeOf, itemOf, sliceOf } from "./members.ts";
import { callMethod } from "./methods.ts";
import { calculate, signed } from "./operators.ts";
import { memberGetter } from "./sequence_filters.ts";
import { textOf } from "./text.ts";
import {
  Callable,
  Dict,
  isTruthy,
  iterate,
  limitText,
  type NamedArguments,
  Stream,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/**
 * The value of an expression.
 *
 * @throws {Fault} where Python raises, or where Python's answer cannot be given
 */
export function evaluate(expression: Expression, frame: Frame): Value {
  const of = (part: Expression) => evaluate(part, frame);
  switch (expression.type) {
    case "constant":
      return expression.value;
    case "name":
      return readVariable(expression.name, frame);
    case "captured":
      return frame.rendering.output;
    case "list":
      return expression.items.map(of);
    case "tuple":
      return new Tuple(expression.items.map(of));
    case "concat":
      return limitText(expression.items.map((item) => textOf(of(item))).join(""));
    case "dict":
      return new Dict(expression.pairs.map(([key, value]) => [of(key), of(value)]));
    case "attribute":
      return attributeOf(of(expression.object), expression.name);
    case "item":
      return itemOf(of(expression.object), of(expression.key));
    case "slice": {
      const [start, stop, step] = expression.bounds;
      return sliceOf(of(expression.object), [of(start), of(stop), of(step)]);
    }
    case "method": {
      const self = of(expression.object);
      return callMethod(self, expression.name, expression.args.map(of), namedValues(expression.named, frame));
    }
    case "call":
      return callFunction(expression, frame);
    case "filter":
      return expression.filter.run(
        of(expression.value),
        expression.args.map((arg) => (arg === undefined ? undefined : of(arg))),
      );
    case "format": {
      const named = namedValues(expression.named, frame);
      const template = textOf(of(expression.value));
      return percentFormat(template, named.size > 0 ? new Dict(named) : new Tuple(expression.args.map(of)));
    }
    case "each":
      return new Stream(eachItem(of(expression.value), expression.action, frame));
    case "test":
      return expression.test.run(of(expression.value), expression.argument ? of(expression.argument) : null);
    case "not":
      return !isTruthy(of(expression.value));
    case "sign":
      return signed(expression.operator, of(expression.value));
    case "arithmetic":
      return calculate(expression.operator, of(expression.left), of(expression.right));
    case "and": {
      const left = of(expression.left);
      return isTruthy(left) ? of(expression.right) : left;
    }
    case "or": {
      const left = of(expression.left);
      return isTruthy(left) ? left : of(expression.right);
    }
    case "comparison":
      return compareChain(expression, frame);
    case "condition":
      if (isTruthy(of(expression.test))) return of(expression.value);
      return expression.otherwise
        ? of(expression.otherwise)
        : new Undefined("the inline if-expression evaluated to false and no else section was defined.");
    default:
      return assertNever(expression);
  }
}

function readVariable(name: string, frame: Frame): Value {
  const value = frame.read(name);
  return value === undefined ? new Undefined(`'${name}' is undefined`) : value;
}

function namedValues(named: NamedExpressions, frame: Frame): NamedArguments {
  return new Map(named.map(([name, value]) => [name, evaluate(value, frame)]));
}

function callFunction(expression: Expression & { readonly type: "call" }, frame: Frame): Value {
  const callee = readVariable(expression.name, frame);
  if (callee instanceof Undefined) throw new Fault(callee.reason);
  if (!(callee instanceof Callable)) throw new Fault(`'${typeName(callee)}' object is not callable`);
  return callee.call(
    expression.args.map((arg) => evaluate(arg, frame)),
    namedValues(expression.named, frame),
  );
}

/** `a < b < c` evaluates every part once, and none behind the first that is false. */
function compareChain(expression: Expression & { readonly type: "comparison" }, frame: Frame): boolean {
  let left = evaluate(expression.first, frame);
  for (const [operator, part] of expression.rest) {
    const right = evaluate(part, frame);
    if (!compare(operator, left, right)) return false;
    left = right;
  }
  return true;
}

/** The filters `map`, `select`, `reject` and their like; arguments are evaluated now, items when they are taken. */
function eachItem(items: Value, action: PerItem, frame: Frame): Iterable<Value> {
  const of = (part: Expression | undefined) => (part === undefined ? undefined : evaluate(part, frame));
  if (action.type === "filter") {
    const args = action.args.map(of);
    return transform(items, (item) => action.filter.run(item, args));
  }
  if (action.type === "member") {
    const [attribute = null, otherwise] = [of(action.attribute), of(action.otherwise)];
    return transform(items, (item) => memberGetter(attribute, otherwise)(item));
  }
  const [attribute, argument = null] = [of(action.attribute), of(action.argument)];
  const { test, keeps } = action;
  return choose(items, (item) => {
    const value = attribute === undefined ? item : memberGetter(attribute)(item);
    return (test === undefined ? isTruthy(value) : test.run(value, argument)) === keeps;
  });
}

function* transform(items: Value, of: (item: Value) => Value): Generator<Value> {
  if (isTruthy(items)) for (const item of iterate(items)) yield of(item);
}

function* choose(items: Value, isKept: (item: Value) => boolean): Generator<Value> {
  if (isTruthy(items)) for (const item of iterate(items)) if (isKept(item)) yield item;
}
