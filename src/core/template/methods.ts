import { isEqual } from "./comparison.ts";
import { Fault } from "./errors.ts";
import { braceFormat } from "./format.ts";
import { attributeOf } from "./members.ts";
import { BLANKS } from "./text.ts";
import {
  capitalize,
  centered,
  isLower,
  isUpper,
  padded,
  partition,
  replaceText,
  split,
  splitLines,
  strip,
  titleWords,
} from "./text_operations.ts";
import {
  codePoints,
  Dict,
  DictView,
  Loop,
  limitItems,
  limitText,
  type NamedArguments,
  Tuple,
  toList,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** How a method may be called: least and most arguments by position, and the names of those that may be named. */
interface Signature {
  readonly least: number;
  readonly most: number;
  readonly names?: readonly string[];
}

interface Method<Self> extends Signature {
  run(self: Self, args: readonly Value[], named: NamedArguments): Value;
}

function method<Self>(least: number, most: number, run: (self: Self, ...args: Value[]) => Value): Method<Self> {
  return { least, most, run: (self, args) => run(self, ...args) };
}

const predicate = (pattern: RegExp) => method<string>(0, 0, (self) => pattern.test(self));
const search = (find: (self: string, part: string) => number) =>
  method<string>(1, 1, (self, part) => {
    const index = find(self, text(part));
    return BigInt(index < 0 ? index : codePoints(self.slice(0, index)).length);
  });
const atEdge = (matches: (self: string, part: string) => boolean) =>
  method<string>(1, 1, (self, part) =>
    part instanceof Tuple ? part.items.some((item) => matches(self, text(item))) : matches(self, text(part)),
  );
const justify = (share: (missing: number, width: number) => number) =>
  method<string>(1, 2, (self, width, fill) =>
    padded(self, integer(width), fill === undefined ? " " : text(fill), share),
  );
const stripping = (sides: "both" | "left" | "right") =>
  method<string>(0, 1, (self, set = null) => strip(self, sides, set === null ? undefined : text(set)));
const splitting = (fromRight: boolean): Method<string> => ({
  least: 0,
  most: 2,
  names: ["sep", "maxsplit"],
  run: (self, args, named) => {
    const separator = args[0] ?? named.get("sep") ?? null;
    const most = args[1] ?? named.get("maxsplit") ?? -1n;
    return split(self, separator === null ? undefined : text(separator), integer(most), fromRight);
  },
});

const TEXT_METHODS: Readonly<Record<string, Method<string>>> = {
  upper: method(0, 0, (self) => self.toUpperCase()),
  lower: method(0, 0, (self) => self.toLowerCase()),
  title: method(0, 0, titleWords),
  capitalize: method(0, 0, capitalize),
  strip: stripping("both"),
  lstrip: stripping("left"),
  rstrip: stripping("right"),
  split: splitting(false),
  rsplit: splitting(true),
  splitlines: {
    least: 0,
    most: 1,
    names: ["keepends"],
    run: (self, args, named) => splitLines(self, Boolean(args[0] ?? named.get("keepends"))),
  },
  join: method(1, 1, (self, items) => limitText(toList(items).map(text).join(self))),
  replace: method(2, 3, (self, old, next, count = -1n) => replaceText(self, text(old), text(next), integer(count))),
  startswith: atEdge((self, part) => self.startsWith(part)),
  endswith: atEdge((self, part) => self.endsWith(part)),
  find: search((self, part) => self.indexOf(part)),
  rfind: search((self, part) => self.lastIndexOf(part)),
  count: method(1, 1, (self, part) =>
    BigInt(text(part) === "" ? codePoints(self).length + 1 : self.split(text(part)).length - 1),
  ),
  isalpha: predicate(/^\p{L}+$/u),
  isalnum: predicate(/^[\p{L}\p{N}]+$/u),
  isdecimal: predicate(/^\p{Nd}+$/u),
  isdigit: method(0, 0, (self) => {
    if (/\p{No}/u.test(self)) throw new Fault(`isdigit() of "${self}"`);
    return /^\p{Nd}+$/u.test(self);
  }),
  isspace: predicate(new RegExp(`^[${BLANKS}]+$`)),
  islower: method(0, 0, isLower),
  isupper: method(0, 0, isUpper),
  zfill: method(1, 1, (self, width) => {
    const sign = /^[+-]/.exec(self)?.[0] ?? "";
    return sign + padded(self.slice(sign.length), integer(width) - sign.length, "0", (missing) => missing);
  }),
  ljust: justify(() => 0),
  rjust: justify((missing) => missing),
  center: justify(centered),
  partition: method(1, 1, (self, separator) => partition(self, text(separator), self.indexOf(text(separator)), false)),
  rpartition: method(1, 1, (self, separator) =>
    partition(self, text(separator), self.lastIndexOf(text(separator)), true),
  ),
  removeprefix: method(1, 1, (self, part) => (self.startsWith(text(part)) ? self.slice(text(part).length) : self)),
  removesuffix: method(1, 1, (self, part) =>
    self.endsWith(text(part)) ? self.slice(0, self.length - text(part).length) : self,
  ),
  format: { least: 0, most: 100, names: [], run: braceFormat },
};

const DICT_METHODS: Readonly<Record<string, Method<Dict>>> = {
  get: method(1, 2, (self, key = null, otherwise = null) => {
    const value = self.get(key);
    return value === undefined ? otherwise : value;
  }),
  keys: method(0, 0, (self) => new DictView(self, "keys")),
  values: method(0, 0, (self) => new DictView(self, "values")),
  items: method(0, 0, (self) => new DictView(self, "items")),
  copy: method(0, 0, (self) => new Dict(self.entries())),
};

const SEQUENCE_METHODS: Readonly<Record<string, Method<readonly Value[]>>> = {
  count: method(1, 1, (self, item = null) => BigInt(self.filter((other) => isEqual(other, item)).length)),
  index: method(1, 1, (self, item = null) => {
    const index = self.findIndex((other) => isEqual(other, item));
    if (index < 0) throw new Fault("the value is not in the list");
    return BigInt(index);
  }),
};

const LIST_METHODS: Readonly<Record<string, Method<Value[]>>> = {
  ...SEQUENCE_METHODS,
  append: method(1, 1, (self, item = null) => {
    limitItems(self.push(item));
    return null;
  }),
  extend: method(1, 1, (self, items = null) => {
    for (const item of toList(items)) limitItems(self.push(item));
    return null;
  }),
  copy: method(0, 0, (self) => [...self]),
};

const LOOP_METHODS: Readonly<Record<string, Signature>> = {
  cycle: { least: 1, most: 100 },
  changed: { least: 0, most: 100 },
};

const SIGNATURES = [TEXT_METHODS, DICT_METHODS, LIST_METHODS, LOOP_METHODS];

/** Why no value has a method that can be called like this, or undefined when one has. For checks before rendering. */
export function methodProblem(name: string, count: number, names: readonly string[]): string | undefined {
  const candidates = SIGNATURES.flatMap((methods) => (Object.hasOwn(methods, name) ? [methods[name]] : []));
  if (candidates.length === 0) return `unknown method "${name}"`;
  const fits = candidates.some((candidate) => candidate !== undefined && accepts(candidate, name, count, names));
  return fits ? undefined : `method "${name}" cannot be called with these arguments`;
}

function accepts(signature: Signature, name: string, count: number, names: readonly string[]): boolean {
  const isAnyNameAllowed = name === "format";
  const areNamesKnown = names.every((key) => isAnyNameAllowed || (signature.names ?? []).indexOf(key) >= count);
  return count >= signature.least && count + (isAnyNameAllowed ? 0 : names.length) <= signature.most && areNamesKnown;
}

/** Calls `self.name(…)`. */
export function callMethod(self: Value, name: string, args: readonly Value[], named: NamedArguments): Value {
  const found = bind(self, name, args, named);
  if (found !== undefined) return found;
  const value = attributeOf(self, name);
  if (value instanceof Undefined) throw new Fault(value.reason);
  throw new Fault(`'${typeName(value)}' object is not callable`);
}

function bind(self: Value, name: string, args: readonly Value[], named: NamedArguments): Value | undefined {
  if (self instanceof Loop) return self.call(name, args);
  if (typeof self === "string") return call(TEXT_METHODS, self, name, args, named);
  if (self instanceof Dict) return call(DICT_METHODS, self, name, args, named);
  if (Array.isArray(self)) return call(LIST_METHODS, self, name, args, named);
  if (self instanceof Tuple) return call(SEQUENCE_METHODS, self.items, name, args, named);
  return undefined;
}

function call<Self>(
  methods: Readonly<Record<string, Method<Self>>>,
  self: Self,
  name: string,
  args: readonly Value[],
  named: NamedArguments,
): Value | undefined {
  const found = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (found === undefined) return undefined;
  if (!accepts(found, name, args.length, [...named.keys()])) {
    throw new Fault(`method "${name}" cannot be called with these arguments`);
  }
  return found.run(self, args, named);
}

/** The text of an argument that Python wants to be a str. */
export function text(value: Value | undefined): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) throw new Fault(value.reason);
  throw new Fault(`expected a text, got ${value === undefined ? "nothing" : typeName(value)}`);
}

/** The number of an argument that Python wants to be an int. */
export function integer(value: Value | undefined): number {
  if (value instanceof Undefined) throw new Fault(value.reason);
  if (typeof value !== "bigint" && typeof value !== "boolean") {
    throw new Fault(`expected an integer, got ${value === undefined ? "nothing" : typeName(value)}`);
  }
  return Math.min(Math.max(Number(value), -(2 ** 40)), 2 ** 40);
}
