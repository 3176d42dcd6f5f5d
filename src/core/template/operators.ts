import { assertNever } from "../assert_never.ts";
import { asNumber, operandFault } from "./comparison.ts";
import { Fault } from "./errors.ts";
import { percentFormat } from "./format.ts";
import { checkFloat, limitInteger, toFloat } from "./numbers.ts";
import { limitItems, limitLength, limitText, Tuple, typeName, Undefined, type Value } from "./values.ts";

/** The operators that work on two numbers, some of them also on texts and lists. */
export type Arithmetic = "+" | "-" | "*" | "/" | "//" | "%" | "**";

/** Python's arithmetic, also on texts and lists. */
export function calculate(operator: Arithmetic, left: Value, right: Value): Value {
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a !== undefined && b !== undefined) {
    return typeof a === "bigint" && typeof b === "bigint"
      ? calculateIntegers(operator, a, b)
      : checkFloat(calculateFloats(operator, toNumber(a), toNumber(b)));
  }
  if (operator === "%" && typeof left === "string") return percentFormat(left, right);
  if (operator === "+") {
    if (typeof left === "string" && typeof right === "string") return limitText(left + right);
    if (Array.isArray(left) && Array.isArray(right)) return limited([...left, ...right]);
    if (left instanceof Tuple && right instanceof Tuple) return new Tuple(limited([...left.items, ...right.items]));
  }
  if (operator === "*") {
    if (typeof b === "bigint") return repeat(left, b) ?? fail(operator, left, right);
    if (typeof a === "bigint") return repeat(right, a) ?? fail(operator, left, right);
  }
  return fail(operator, left, right);
}

function fail(operator: string, left: Value, right: Value): never {
  throw operandFault(operator, left, right);
}

function limited(items: Value[]): Value[] {
  limitItems(items.length);
  return items;
}

function toNumber(value: bigint | number): number {
  return typeof value === "bigint" ? toFloat(value) : value;
}

function repeat(value: Value, times: bigint): Value | undefined {
  const count = times > 0n ? times : 0n;
  if (typeof value === "string") {
    limitLength(BigInt(value.length) * count);
    return value.repeat(Number(value === "" ? 0n : count));
  }
  const items = value instanceof Tuple ? value.items : value;
  if (!Array.isArray(items)) return undefined;
  limitItems(BigInt(items.length) * count);
  const repeated = items.length === 0 ? [] : Array.from({ length: Number(count) }, () => items).flat();
  return value instanceof Tuple ? new Tuple(repeated) : repeated;
}

function calculateIntegers(operator: Arithmetic, a: bigint, b: bigint): Value {
  switch (operator) {
    case "+":
      return limitInteger(a + b);
    case "-":
      return limitInteger(a - b);
    case "*":
      return limitInteger(a * b);
    case "/":
      return divideIntegers(a, b);
    case "//":
      return (a - modulo(a, b)) / b;
    case "%":
      return modulo(a, b);
    case "**":
      return raise(a, b);
    default:
      return assertNever(operator);
  }
}

function modulo(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new Fault("division by zero");
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}

function divideIntegers(a: bigint, b: bigint): number {
  if (b === 0n) throw new Fault("division by zero");
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  if (-limit <= a && a <= limit && -limit <= b && b <= limit) return Number(a) / Number(b);
  if (a === 0n) return b < 0n ? -0 : 0;
  const value = nearestFloat(a < 0n ? -a : a, b < 0n ? -b : b);
  return a < 0n === b < 0n ? value : -value;
}

function raise(base: bigint, exponent: bigint): Value {
  if (exponent < 0n) return raiseFloat(toFloat(base), toFloat(exponent));
  if (base >= -1n && base <= 1n) return exponent === 0n ? 1n : base * (exponent % 2n === 0n ? base : 1n);
  if (BigInt(base.toString(2).length) * exponent > 20_000n) throw new Fault("a power with too many digits");
  return limitInteger(base ** exponent);
}

function calculateFloats(operator: Arithmetic, a: number, b: number): number {
  if (b === 0 && (operator === "/" || operator === "//" || operator === "%")) throw new Fault("float division by zero");
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "//":
      return divideFloats(a, b)[0];
    case "%":
      return divideFloats(a, b)[1];
    case "**":
      return raiseFloat(a, b);
    default:
      return assertNever(operator);
  }
}

/** CPython's `float_divmod`: the rest has the sign of the divisor. */
function divideFloats(a: number, b: number): [quotient: number, rest: number] {
  let rest = a % b;
  let quotient = (a - rest) / b;
  if (rest === 0) rest = b < 0 ? -0 : 0;
  else if (b < 0 !== rest < 0) {
    rest += b;
    quotient -= 1;
  }
  if (quotient === 0) return [a / b < 0 || Object.is(a / b, -0) ? -0 : 0, rest];
  const floor = Math.floor(quotient);
  return [quotient - floor > 0.5 ? floor + 1 : floor, rest];
}

/**
 * Engines and C libraries differ in the last digit of a power. Python's comes from a C library that is wrong by less
 * than 0.52 units in the last place, so the correctly rounded exact result is the same, unless that is a near tie.
 */
function raiseFloat(base: number, exponent: number): number {
  if (exponent === 0 || base === 1) return 1;
  if (base === 0 && exponent < 0) throw new Fault("0.0 cannot be raised to a negative power");
  if (!Number.isInteger(exponent) || Math.abs(exponent) > 1024 || !Number.isFinite(base)) {
    throw new Fault("a power that computers round differently");
  }
  if (base === 0) return exponent % 2 === 0 ? 0 : base;
  const whole = BigInt(Math.abs(exponent));
  let mantissa = Math.abs(base);
  let halvings = 0n;
  for (; !Number.isInteger(mantissa); halvings++) mantissa *= 2;
  const [above, below] = [BigInt(mantissa) ** whole, 1n << (halvings * whole)];
  const value = exponent > 0 ? nearestFloat(above, below, true) : nearestFloat(below, above, true);
  return base < 0 && exponent % 2 !== 0 ? -value : value;
}

/**
 * The float nearest to a positive fraction, halves to even.
 *
 * @param withoutTies refuses what is so close to the middle of two floats that a small error changes the result
 */
function nearestFloat(numerator: bigint, denominator: bigint, withoutTies = false): number {
  const shift = 64 - (numerator.toString(2).length - denominator.toString(2).length);
  if (Math.abs(shift) > 1000) throw new Fault("a result at the ends of the range of floats");
  const [above, below] =
    shift > 0 ? [numerator << BigInt(shift), denominator] : [numerator, denominator << BigInt(-shift)];
  const quotient = above / below;
  const unit = 1n << BigInt(quotient.toString(2).length - 53);
  const fromTie = 2n * (quotient % unit) - unit;
  if (withoutTies && (fromTie < 0n ? -fromTie : fromTie) * 20n < unit) {
    throw new Fault("a power that computers round differently");
  }
  // A last bit for what is left over keeps it from looking like a tie.
  const rounded = Number(above % below === 0n ? quotient : quotient | 1n);
  if (shift <= 0) {
    const large = rounded * Number(1n << BigInt(-shift));
    if (large === Infinity) throw new Fault("numerical result out of range");
    return large;
  }
  const half = BigInt(shift >> 1);
  return rounded / Number(1n << half) / Number(1n << (BigInt(shift) - half));
}

/** Python's unary `-` and `+`. */
export function signed(operator: "-" | "+", value: Value): Value {
  const number = asNumber(value);
  if (number !== undefined) return operator === "-" ? -number : number;
  if (value instanceof Undefined) throw new Fault(value.reason);
  throw new Fault(`bad operand type for unary ${operator}: '${typeName(value)}'`);
}
