import { Fault } from "./errors.ts";

/** Python refuses to write longer integers as text, and nothing in a command needs them. */
const MAX_INTEGER_DIGITS = 4300;
const LARGE_INTEGER = 10n ** 1000n;

/** `repr()` of a float: the shortest digits that read back as the same number, in Python's notation. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [digits = "", power = ""] = value.toExponential().split("e");
  const exponent = Number(power);
  if (Object.is(value, -0)) return "-0.0";
  if (value !== 0 && (exponent < -4 || exponent >= 16)) return digits + exponentText(exponent);
  const text = String(value);
  return text.includes(".") ? text : `${text}.0`;
}

function exponentText(exponent: number): string {
  return `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** `numerator / denominator` rounded to a whole number, halves to even; both not negative. */
function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = 2n * (numerator % denominator);
  return twice > denominator || (twice === denominator && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

/** The exact value of a finite float that is not negative, times ten to the `power`, rounded half to even. */
function scaled(value: number, power: number): bigint {
  let numerator = value;
  let doublings = 0n;
  for (; !Number.isInteger(numerator); doublings++) numerator *= 2;
  const denominator = 1n << doublings;
  return power >= 0
    ? divideHalfEven(BigInt(numerator) * 10n ** BigInt(power), denominator)
    : divideHalfEven(BigInt(numerator), denominator * 10n ** BigInt(-power));
}

/** A finite number that is not negative with `digits` digits after the point, as C's `%.*f`. */
export function fixedText(value: number, digits: number): string {
  const text = String(scaled(value, digits)).padStart(digits + 1, "0");
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

function mantissaAndExponent(value: number, digits: number): [mantissa: string, exponent: number] {
  if (value === 0) return ["0".repeat(digits + 1), 0];
  // The exponent of the shortest digits may be one too high or, after rounding, one too low.
  let exponent = Number(value.toExponential().split("e")[1]) - 1;
  let mantissa = "";
  do mantissa = String(scaled(value, digits - exponent++));
  while (mantissa.length > digits + 1);
  return [mantissa, exponent - 1];
}

/** A finite number that is not negative in scientific notation, as C's `%.*e`. */
export function scientificText(value: number, digits: number): string {
  const [mantissa, exponent] = mantissaAndExponent(value, digits);
  return `${mantissa[0]}${digits > 0 ? "." : ""}${mantissa.slice(1)}${exponentText(exponent)}`;
}

/** A finite number that is not negative with at most `digits` significant digits, as C's `%.*g`. */
export function generalText(value: number, digits: number): string {
  const significant = Math.max(digits, 1);
  const [, exponent] = mantissaAndExponent(value, significant - 1);
  const isFixed = exponent >= -4 && exponent < significant;
  const text = isFixed ? fixedText(value, significant - 1 - exponent) : scientificText(value, significant - 1);
  const [digitsPart = "", power] = text.split("e");
  const short = digitsPart.includes(".") ? digitsPart.replace(/\.?0+$/, "") : digitsPart;
  return power === undefined ? short : `${short}e${power}`;
}

/** Python's `round(value, digits)` of a float: halves of the exact value go to even. */
export function roundFloat(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 323) return value;
  const rounded = Number(`${scaled(Math.abs(value), Math.max(digits, -400))}e${-digits}`);
  if (rounded === Infinity) throw new Fault("rounded value too large to represent");
  return value < 0 || Object.is(value, -0) ? -rounded : rounded;
}

/** Python's `round(value, digits)` of an int, for `digits` below zero. */
export function roundInteger(value: bigint, digits: number): bigint {
  const unit = 10n ** BigInt(Math.min(-digits, MAX_INTEGER_DIGITS + 1));
  return value < 0n ? -divideHalfEven(-value, unit) * unit : divideHalfEven(value, unit) * unit;
}

/** Refuses integers that Python would not write as text. */
export function limitInteger(value: bigint): bigint {
  // Only what is really large is worth the costly count of its digits.
  if (value < LARGE_INTEGER && value > -LARGE_INTEGER) return value;
  if (String(value).replace("-", "").length > MAX_INTEGER_DIGITS) {
    throw new Fault(`an integer of more than ${MAX_INTEGER_DIGITS} digits`);
  }
  return value;
}

/** The float nearest to an int. */
export function toFloat(value: bigint): number {
  const float = Number(value);
  if (!Number.isFinite(float)) throw new Fault("int too large to convert to float");
  return float;
}

/** A float of the result of an operation; what is not a number compares unlike any other value, so it is refused. */
export function checkFloat(value: number): number {
  if (Number.isNaN(value)) throw new Fault("the result is not a number");
  return value;
}

/** Python's `int(text, base)`, or undefined where Python raises ValueError. */
export function parseInteger(text: string, base: number): bigint | undefined {
  const prefixes: Readonly<Record<string, number>> = { "0b": 2, "0o": 8, "0x": 16 };
  const match = /^([+-]?)(.*)$/s.exec(stripBlanks(text).toLowerCase());
  let digits = match?.[2] ?? "";
  let radix = base;
  const prefixRadix = prefixes[digits.slice(0, 2)];
  if (prefixRadix !== undefined && (base === 0 || base === prefixRadix)) {
    radix = prefixRadix;
    digits = digits.slice(2).replace(/^_/, "");
  } else if (base === 0) {
    radix = 10;
    if (/^0[0_]*[1-9]/.test(digits)) return undefined;
  }
  if (!/^[0-9a-z]+(_[0-9a-z]+)*$/.test(digits)) return undefined;
  let value = 0n;
  if (digits.length > MAX_INTEGER_DIGITS) throw new Fault(`an integer of more than ${MAX_INTEGER_DIGITS} digits`);
  for (const digit of digits.replaceAll("_", "")) {
    const digitValue = Number.parseInt(digit, 36);
    if (digitValue >= radix) return undefined;
    value = value * BigInt(radix) + BigInt(digitValue);
  }
  return match?.[1] === "-" ? -value : value;
}

/** Python's `float(text)`, or undefined where Python raises ValueError. */
export function parseFloatText(text: string): number | undefined {
  const trimmed = stripBlanks(text).toLowerCase();
  const special = /^([+-]?)(inf(?:inity)?|nan)$/.exec(trimmed);
  if (special) return checkFloat(special[2] === "nan" ? Number.NaN : special[1] === "-" ? -Infinity : Infinity);
  const digits = String.raw`\d+(?:_\d+)*`;
  const pattern = new RegExp(`^[+-]?(?:${digits}\\.?(?:${digits})?|\\.${digits})(?:e[+-]?${digits})?$`);
  return pattern.test(trimmed) ? Number(trimmed.replaceAll("_", "")) : undefined;
}

/** Python also reads other digits and blanks than those of ASCII; such a text is refused, others are no numbers. */
function stripBlanks(text: string): string {
  if (/\P{ASCII}/u.test(text)) {
    if (/[\p{Nd}\x85\p{Z}]/u.test(text.replace(/[0-9 ]/g, "")))
      throw new Fault("a number in other than ASCII characters");
    return "";
  }
  return text.replace(/^[\t-\r ]+|[\t-\r ]+$/g, "");
}
