import { asNumber } from "./comparison.ts";
import { Fault } from "./errors.ts";
import { fixedText, generalText, scientificText, toFloat } from "./numbers.ts";
import { repr, textOf } from "./text.ts";
import {
  codePoints,
  Dict,
  limitLength,
  limitText,
  type NamedArguments,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** What a `%` conversion or a format specification asks for. */
interface Layout {
  readonly fill: string;
  readonly align: "<" | ">" | "^" | "=";
  readonly sign: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly type: string;
}

const PERCENT_FIELD = /%(?:\(([^()]*)\))?([-+ 0#]*)(\d*)(?:\.(\d*))?(.?)/gsu;
const BRACE_PART = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;
const BRACE_FIELD = /^(\w*)(?:!([rs]))?(?::(.*))?$/s;
const SPECIFICATION = /^(?:(.)?([<>^=]))?([-+ ])?(0)?(\d*)(?:\.(\d+))?([sdxXobeEfFgG%])?$/su;

function isKnownField([whole, , flags = "", , , type = ""]: RegExpMatchArray): boolean {
  return whole === "%%" || (/^[sdiurfFeEgGxXo]$/.test(type) && !flags.includes("#"));
}

/** Why no argument can be put into a `%` format, or undefined. For checks before rendering. */
export function percentFieldProblem(template: string): string | undefined {
  const unknown = [...template.matchAll(PERCENT_FIELD)].find((match) => !isKnownField(match));
  return unknown ? `"${unknown[0]}" in a % format` : undefined;
}

/** The same for the text of a method `format`. */
export function braceFieldProblem(template: string): string | undefined {
  for (const [whole, field] of template.matchAll(BRACE_PART)) {
    if (whole === "{{" || whole === "}}") continue;
    const match = BRACE_FIELD.exec(field ?? "{");
    if (!match || !SPECIFICATION.test(match[3] ?? "")) return `"${whole}" in a format`;
  }
  return undefined;
}

/** Python's `template % argument`. */
export function percentFormat(template: string, argument: Value): string {
  const items = argument instanceof Tuple ? argument.items : [argument];
  let used = 0;
  let result = "";
  let end = 0;
  for (const match of template.matchAll(PERCENT_FIELD)) {
    const [whole, key, flags = "", width, precision, type = ""] = match;
    result += template.slice(end, match.index);
    end = match.index + whole.length;
    if (type === "%" && whole === "%%") {
      result += "%";
      continue;
    }
    if (!isKnownField(match)) throw new Fault(`"${whole}" in a % format`);
    let value: Value | undefined;
    if (key === undefined) value = items[used++];
    else if (argument instanceof Dict) value = argument.get(key);
    if (value === undefined) throw new Fault(`nothing to put in for "${whole}"`);
    if (key !== undefined) used = items.length;
    result += percentItem(value, type, flags, width, precision);
    limitLength(result.length);
  }
  const isMapping = Array.isArray(argument) || [Dict, Range, Undefined].some((kind) => argument instanceof kind);
  if (used < items.length && !isMapping) throw new Fault("not all arguments converted during string formatting");
  return limitText(result + template.slice(end));
}

function percentItem(value: Value, type: string, flags: string, width = "", precision: string | undefined): string {
  const isText = type === "s" || type === "r";
  const layout: Layout = {
    fill: flags.includes("0") && !flags.includes("-") && !isText ? "0" : " ",
    align: flags.includes("-") ? "<" : flags.includes("0") && !isText ? "=" : ">",
    sign: flags.includes("+") ? "+" : flags.includes(" ") ? " " : "",
    width: bounded(width),
    precision: precision === undefined ? undefined : bounded(precision),
    type: type === "i" || type === "u" ? "d" : type,
  };
  if (isText) {
    const text = type === "r" ? repr(value, 0) : textOf(value);
    return pad("", layout.precision === undefined ? text : [...text].slice(0, layout.precision).join(""), layout);
  }
  const number = asNumber(value);
  if (value instanceof Undefined) throw new Fault(value.reason);
  if (number === undefined) throw new Fault(`%${type} format: a number is required, not ${typeName(value)}`);
  if (!"dxXo".includes(layout.type)) return numberText(number, layout);
  if (typeof number === "number" && (layout.type !== "d" || !Number.isFinite(number))) {
    throw new Fault(`%${type} format: an integer is required, not float`);
  }
  const whole = BigInt(typeof number === "number" ? Math.trunc(number) : number);
  const digits = radixText(whole < 0n ? -whole : whole, layout.type).padStart(layout.precision ?? 0, "0");
  return pad(whole < 0n ? "-" : layout.sign, digits, layout);
}

/** Python's `template.format(*args, **named)`, without access to members in the fields. */
export function braceFormat(template: string, args: readonly Value[], named: NamedArguments): string {
  let next = 0;
  let isNumbered = false;
  const result = template.replace(BRACE_PART, (whole, field: string | undefined) => {
    if (whole === "{{" || whole === "}}") return whole.slice(1);
    const match = BRACE_FIELD.exec(field ?? "{");
    if (!match) throw new Fault(`"${whole}" in a format`);
    const [, name = "", conversion, specification = ""] = match;
    if (/^\d*$/.test(name)) {
      if (next > 0 && name !== "") throw new Fault("cannot switch from automatic to manual field numbering");
      if (isNumbered && name === "") throw new Fault("cannot switch from manual to automatic field numbering");
      isNumbered ||= name !== "";
    }
    const value = /^\d*$/.test(name) ? args[name === "" ? next++ : Number(name)] : named.get(name);
    if (value === undefined) throw new Fault(`nothing to put in for "${whole}"`);
    const converted = conversion === "r" ? repr(value, 0) : conversion === "s" ? textOf(value) : value;
    return formatValue(converted, specification);
  });
  return limitText(result);
}

/** Python's `format(value, specification)`. */
function formatValue(value: Value, specification: string): string {
  if (specification === "") return textOf(value);
  const match = SPECIFICATION.exec(specification);
  const isText = typeof value === "string";
  const number = asNumber(value);
  if (!match || (!isText && number === undefined))
    throw new Fault(`the format "${specification}" of a ${typeName(value)}`);
  const [, fill, align, sign = "", zero, width = "", precision, type = isText ? "s" : ""] = match;
  const layout: Layout = {
    fill: fill ?? (zero ? "0" : " "),
    align: (align as Layout["align"]) ?? (isText ? "<" : zero ? "=" : ">"),
    sign: sign === "-" ? "" : sign,
    width: bounded(width),
    precision: precision === undefined ? undefined : bounded(precision),
    type,
  };
  if (isText) {
    if (type !== "s" || sign || align === "=") throw new Fault(`the format "${specification}" of a str`);
    return pad("", layout.precision === undefined ? value : [...value].slice(0, layout.precision).join(""), layout);
  }
  if (number === undefined || !/^[dxXobeEfFgG%]?$/.test(type)) {
    throw new Fault(`the format "${specification}" of a ${typeName(value)}`);
  }
  if (typeof number === "bigint" && /^[dxXob]?$/.test(type)) {
    if (layout.precision !== undefined) throw new Fault("precision not allowed in integer format specifier");
    return pad(number < 0n ? "-" : layout.sign, radixText(number < 0n ? -number : number, type), layout);
  }
  if (/^[dxXob]$/.test(type) || (type === "" && layout.precision !== undefined)) {
    throw new Fault(`the format "${specification}" of a float`);
  }
  return numberText(number, layout);
}

function radixText(value: bigint, type: string): string {
  const radix = { x: 16, X: 16, o: 8, b: 2 }[type] ?? 10;
  return type === "X" ? value.toString(radix).toUpperCase() : value.toString(radix);
}

/** A number in one of the float notations. */
function numberText(number: bigint | number, layout: Layout): string {
  const value = typeof number === "bigint" ? toFloat(number) : number;
  const { type, precision = 6 } = layout;
  const isNegative = value < 0 || Object.is(value, -0);
  const amount = Math.abs(value) * (type === "%" ? 100 : 1);
  const kind = type.toLowerCase();
  let text: string;
  if (amount === Infinity) text = "inf";
  else if (kind === "") text = textOf(amount);
  else if (kind === "e") text = scientificText(amount, precision);
  else if (kind === "g") text = generalText(amount, precision);
  else text = fixedText(amount, precision);
  if (type === "%") text += "%";
  const isUpper = type !== kind;
  return pad(isNegative ? "-" : layout.sign, isUpper ? text.toUpperCase() : text, layout);
}

/** Widths and precisions above what any command needs would take the service's memory. */
function bounded(digits: string): number {
  const value = Number(digits);
  if (value > 1000) throw new Fault("a width or precision above 1000 in a format");
  return value;
}

function pad(sign: string, text: string, { fill, align, width }: Layout): string {
  const missing = Math.max(width - codePoints(text).length - sign.length, 0);
  switch (align) {
    case "<":
      return sign + text + fill.repeat(missing);
    case ">":
      return fill.repeat(missing) + sign + text;
    case "=":
      return sign + fill.repeat(missing) + text;
    case "^":
      return fill.repeat(missing >> 1) + sign + text + fill.repeat(missing - (missing >> 1));
  }
}
