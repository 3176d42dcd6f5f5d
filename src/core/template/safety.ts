import { assertNever } from "../assert_never.ts";
import type { Arguments, Expression, NamedExpressions } from "./ast.ts";

/**
 * How far a value can be trusted in a shell line: `CONSTANT` is decided by the template's author or is a number, so it
 * stays so through every operation; `QUOTED` is safe as it is, but not cut into pieces; `UNSAFE` is all else.
 */
export type Level = typeof UNSAFE | typeof QUOTED | typeof CONSTANT;
/** {@link Level} */
export const UNSAFE = 0;
/** {@link Level} */
export const QUOTED = 1;
/** {@link Level} */
export const CONSTANT = 2;

/** Of a value itself when it is written out, and of its items or entries. */
export interface Safety {
  readonly text: Level;
  readonly items: Level;
}

/** What is known about names while a template is walked through. */
export interface Knowledge {
  /** Of a variable; undefined for one of the job. */
  variable(name: string): Safety | undefined;
  /** Of all that is ever put into `name.attribute` of a namespace, or under `[]` into any list by append. */
  stored(place: string): Level | undefined;
  /** Of what a macro writes. */
  macro(name: string, args: readonly Safety[], named: ReadonlyMap<string, Safety>): Level | undefined;
  /** Notes that `level` goes into `place`. */
  store(place: string, level: Level): void;
}

/** Of a constant or a number. */
export const SAFE: Safety = { text: CONSTANT, items: CONSTANT };
const NOT_SAFE: Safety = { text: UNSAFE, items: UNSAFE };

/** The level of what is put together from parts. */
export function lowest(...levels: readonly Level[]): Level {
  return Math.min(CONSTANT, ...levels) as Level;
}

/** A text of which nothing but the whole is safe, or a constant. */
export function plain(text: Level): Safety {
  return { text, items: text === CONSTANT ? CONSTANT : UNSAFE };
}

/** An item or entry of a value. */
export function elementOf(whole: Safety): Safety {
  return plain(whole.items);
}

/** A list or dictionary; its own text shows the items in Python's quotes, which are not those of the shell. */
function collection(items: readonly Safety[]): Safety {
  const level = lowest(...items.map(({ text }) => text));
  return { text: level === CONSTANT ? CONSTANT : UNSAFE, items: level };
}

function both(...parts: readonly Safety[]): Safety {
  return { text: lowest(...parts.map(({ text }) => text)), items: lowest(...parts.map(({ items }) => items)) };
}

const NUMERIC_FILTERS = new Set(["length", "count", "wordcount", "abs", "round"]);
const TEXT_KEEPING_FILTERS = new Set(["string", "safe", "trim", "upper", "lower", "capitalize", "title", "indent"]);
const ITEM_KEEPING_FILTERS = new Set(["list", "sort", "unique", "reverse"]);
const ITEM_PICKING_FILTERS = new Set(["first", "last", "min", "max"]);
const TELLING_METHODS = /^(is\w+|startswith|endswith|r?find|index|count|append|extend|changed)$/;

/** What can be said about the value of an expression without rendering it. */
export function safetyOf(expression: Expression, known: Knowledge): Safety {
  const of = (part: Expression) => safetyOf(part, known);
  switch (expression.type) {
    case "constant":
    case "test":
    case "not":
    case "sign":
    case "comparison":
      return SAFE;
    case "name": {
      const variable = known.variable(expression.name) ?? NOT_SAFE;
      return { ...variable, items: lowest(variable.items, known.stored("[]") ?? CONSTANT) };
    }
    case "captured":
      return known.variable("") ?? NOT_SAFE;
    case "list":
    case "tuple":
      return collection(expression.items.map(of));
    case "dict":
      return collection(expression.pairs.map(([, value]) => of(value)));
    case "concat":
      return plain(lowest(...expression.items.map((item) => of(item).text)));
    case "attribute":
      return attributeSafety(expression, known);
    case "item":
      return elementOf(of(expression.object));
    case "slice": {
      const { text, items } = of(expression.object);
      return { text: text === CONSTANT ? CONSTANT : UNSAFE, items };
    }
    case "method":
      return methodSafety(expression, known);
    case "call":
      return callSafety(expression, known);
    case "filter":
      return filterSafety(expression.name, of(expression.value), expression.args, known);
    case "format":
      return formatSafety(expression.value, "%", [...expression.args, ...valuesOf(expression.named)].map(of), known);
    case "each":
      return eachSafety(expression, known);
    case "arithmetic":
      return arithmeticSafety(expression, known);
    case "and":
      // What is false is empty, zero, None or False.
      return { text: of(expression.right).text, items: both(of(expression.left), of(expression.right)).items };
    case "or":
      return both(of(expression.left), of(expression.right));
    case "condition":
      return both(of(expression.value), expression.otherwise ? of(expression.otherwise) : SAFE);
    default:
      return assertNever(expression);
  }
}

function valuesOf(named: NamedExpressions): readonly Expression[] {
  return named.map(([, value]) => value);
}

function attributeSafety({ object, name }: Expression & { readonly type: "attribute" }, known: Knowledge): Safety {
  if (object.type === "name") {
    const level = known.stored(`${object.name}.${name}`);
    if (level !== undefined) return plain(lowest(level, known.variable(object.name)?.items ?? UNSAFE));
    if (object.name === "loop" && known.variable("loop") && !name.endsWith("item")) return SAFE;
  }
  return elementOf(safetyOf(object, known));
}

function methodSafety(expression: Expression & { readonly type: "method" }, known: Knowledge): Safety {
  const { name, object } = expression;
  const self = safetyOf(object, known);
  const args = [...expression.args, ...valuesOf(expression.named)].map((arg) => safetyOf(arg, known));
  if (name === "append" || name === "extend") {
    const added = args[0] ?? NOT_SAFE;
    known.store("[]", name === "append" ? added.text : added.items);
  }
  if (TELLING_METHODS.test(name)) return SAFE;
  if (name === "cycle") return both(...args);
  if (name === "join") return plain(lowest(self.text, args[0]?.items ?? UNSAFE));
  if (name === "get") return both(elementOf(self), args[1] ?? SAFE);
  if (name === "format") return formatSafety(object, "{", args, known);
  if (name === "values" || name === "copy")
    return { text: self.text === CONSTANT ? CONSTANT : UNSAFE, items: self.items };
  return plain(lowest(self.text, ...args.map(({ text }) => text)) === CONSTANT ? CONSTANT : UNSAFE);
}

function callSafety(expression: Expression & { readonly type: "call" }, known: Knowledge): Safety {
  if (expression.name === "range") return SAFE;
  const args = expression.args.map((arg) => safetyOf(arg, known));
  // What is in a namespace is known by the names of its attributes.
  if (expression.name === "namespace" && args.length === 0) return { text: UNSAFE, items: CONSTANT };
  const named = new Map(expression.named.map(([name, value]) => [name, safetyOf(value, known)]));
  return plain(known.macro(expression.name, args, named) ?? UNSAFE);
}

function filterSafety(name: string, value: Safety, args: Arguments, known: Knowledge): Safety {
  const [first, second] = args.map((arg) => (arg === undefined ? undefined : safetyOf(arg, known)));
  if (name === "q") return plain(QUOTED);
  if (NUMERIC_FILTERS.has(name)) return SAFE;
  if (name === "int" || name === "float") return first ?? SAFE;
  if (name === "sum") return second ?? SAFE;
  if (name === "default" || name === "d") return both(value, first ?? SAFE);
  if (name === "join") return plain(lowest(second ? UNSAFE : value.items, first?.text ?? CONSTANT));
  if (TEXT_KEEPING_FILTERS.has(name) && first === undefined) return plain(value.text);
  if (ITEM_KEEPING_FILTERS.has(name)) return { text: value.text === CONSTANT ? CONSTANT : UNSAFE, items: value.items };
  if (ITEM_PICKING_FILTERS.has(name)) return elementOf(value);
  const areConstant = [value, first, second].every((part) => part === undefined || part.text === CONSTANT);
  return plain(areConstant ? CONSTANT : UNSAFE);
}

function eachSafety({ value, action }: Expression & { readonly type: "each" }, known: Knowledge): Safety {
  const whole = safetyOf(value, known);
  if (action.type === "filter") {
    return { text: UNSAFE, items: filterSafety(action.name, elementOf(whole), action.args, known).text };
  }
  if (action.type === "test") return { text: UNSAFE, items: whole.items };
  const otherwise = action.otherwise ? safetyOf(action.otherwise, known).text : CONSTANT;
  return { text: UNSAFE, items: lowest(elementOf(elementOf(whole)).text, otherwise) };
}

function arithmeticSafety(expression: Expression & { readonly type: "arithmetic" }, known: Knowledge): Safety {
  const { operator, left, right } = expression;
  if (operator === "%") {
    if (left.type === "constant" && typeof left.value !== "string") return SAFE;
    const items = right.type === "tuple" ? right.items : [right];
    return formatSafety(
      left,
      "%",
      items.map((item) => safetyOf(item, known)),
      known,
    );
  }
  if (operator === "+") return both(safetyOf(left, known), safetyOf(right, known));
  // A text can only be multiplied by a number; all other operations give numbers.
  const isTextRepeated = [left, right].some((side) => side.type === "constant" && typeof side.value === "string");
  return operator !== "*" || isTextRepeated ? SAFE : both(safetyOf(left, known), safetyOf(right, known));
}

/** Conversions to numbers are safe; a quoted text stays so when it is put in whole. */
function formatSafety(template: Expression, style: "%" | "{", args: readonly Safety[], known: Knowledge): Safety {
  const level = lowest(...args.map(({ text }) => text));
  if (template.type !== "constant" || typeof template.value !== "string") {
    return plain(lowest(level, safetyOf(template, known).text) === CONSTANT ? CONSTANT : UNSAFE);
  }
  const fields = template.value.match(style === "%" ? /%[^%a-zA-Z]*[a-zA-Z%]/g : /\{[^{}]*\}/g) ?? [];
  const number = style === "%" ? /[diufFeEgGxXo%]$/ : /:.*[dxXobeEfFgG%]\}$/;
  const texts = fields.filter((field) => !number.test(field));
  if (texts.length === 0 || level === CONSTANT) return SAFE;
  const whole = style === "%" ? /^%(\(\w*\))?[-+ 0]*\d*s$/ : /^\{\w*(!s)?\}$/;
  return plain(texts.every((field) => whole.test(field)) ? level : UNSAFE);
}
