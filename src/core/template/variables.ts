import type { JsonObject, JsonValue } from "../json.ts";
import { Fault } from "./errors.ts";
import {
  Callable,
  Dict,
  iterate,
  type NamedArguments,
  Namespace,
  Range,
  toList,
  Undefined,
  type Value,
} from "./values.ts";

/**
 * The variables of one rendering. They are taken over when they are first read, as values of their own, so that no
 * template sees or changes an object of the service.
 */
export class Variables {
  readonly #json: JsonObject;
  readonly #floats: ReadonlySet<string>;
  readonly #values = new Map<string, Value | undefined>();

  /** @param floats JSON pointers (RFC 6901) of whole numbers that were written as floats, e.g. `1.0` */
  constructor(json: JsonObject, floats: ReadonlySet<string>) {
    this.#json = json;
    this.#floats = floats;
  }

  /** @returns undefined when there is no such variable and Jinja2 has no function of that name */
  resolve(name: string): Value | undefined {
    if (!this.#values.has(name)) {
      const json = Object.hasOwn(this.#json, name) ? this.#json[name] : undefined;
      this.#values.set(name, json === undefined ? GLOBALS.get(name) : this.#take(json, `/${escapePointer(name)}`));
    }
    return this.#values.get(name);
  }

  #take(json: JsonValue, pointer: string): Value {
    if (typeof json === "number") return this.#takeNumber(json, pointer);
    if (typeof json !== "object" || json === null) return json;
    if (Array.isArray(json)) return json.map((item, index) => this.#take(item, `${pointer}/${index}`));
    return new Dict(
      Object.entries(json).map(([key, item]) => [key, this.#take(item, `${pointer}/${escapePointer(key)}`)]),
    );
  }

  /**
   * JSON as JavaScript reads it does not tell `1.0` from `1`, so whole numbers count as integers. Where integers are
   * no longer exact nobody can say what was meant; from 1e21 on only floats are written in a short form.
   */
  #takeNumber(json: number, pointer: string): Value {
    if (!Number.isInteger(json) || this.#floats.has(pointer) || Math.abs(json) >= 1e21) return json;
    if (Number.isSafeInteger(json)) return BigInt(json);
    throw new Fault(`the number ${json} at ${pointer} is too large to be exact; pass it as a text`);
  }
}

function escapePointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/**
 * Parses JSON and also finds out which whole numbers were written as floats, e.g. `1.0` or `2e3`, because Jinja2 writes
 * those as `1.0` and `2000.0`.
 *
 * @returns the value, and the JSON pointers of those numbers
 * @throws {SyntaxError} when `text` is not JSON
 */
export function parseJsonWithFloats(text: string): { readonly value: JsonValue; readonly floats: ReadonlySet<string> } {
  const floats = new Set<string>();
  const marks = JSON.parse(text, (_key: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" ? /[.eE]/.test(context?.source ?? "") : value,
  );
  const walk = (mark: unknown, value: JsonValue, pointer: string): void => {
    if (typeof value === "number" && mark === true) floats.add(pointer);
    if (typeof value !== "object" || value === null) return;
    for (const [key, item] of Object.entries(value)) {
      walk((mark as Readonly<Record<string, unknown>>)[key], item, `${pointer}/${escapePointer(key)}`);
    }
  };
  const value: JsonValue = JSON.parse(text);
  walk(marks, value, "");
  return { value, floats };
}

/** A function that exists in Jinja2 but not here; it may only be asked whether it is defined. */
function unavailable(name: string): Callable {
  return new Callable(name, () => {
    throw new Fault(`the function ${name} is not supported`);
  });
}

const GLOBALS: ReadonlyMap<string, Callable> = new Map(
  [
    new Callable("range", range),
    new Callable("dict", dict),
    new Callable("namespace", (args, named) => new Namespace(dict(args, named))),
    unavailable("joiner"),
    unavailable("lipsum"),
    unavailable("cycler"),
  ].map((callable) => [callable.name, callable]),
);

function range(args: readonly Value[], named: NamedArguments): Value {
  const bounds = args.map((arg) => {
    if (arg instanceof Undefined) throw new Fault(arg.reason);
    if (typeof arg !== "bigint" && typeof arg !== "boolean") throw new Fault("range() takes integers only");
    return BigInt(arg);
  });
  const [first, second, step = 1n] = bounds;
  if (first === undefined || bounds.length > 3 || named.size > 0)
    throw new Fault("range() takes one to three integers");
  return second === undefined ? new Range(0n, first, 1n) : new Range(first, second, step);
}

function dict(args: readonly Value[], named: NamedArguments): Dict {
  const [source, ...surplus] = args;
  if (surplus.length > 0) throw new Fault("dict expected at most 1 argument");
  if (source instanceof Undefined) throw new Fault(source.reason);
  const result = new Dict(source instanceof Dict ? source.entries() : []);
  if (source !== undefined && !(source instanceof Dict)) {
    for (const pair of iterate(source)) {
      const [key, value, ...rest] = toList(pair);
      if (key === undefined || value === undefined || rest.length > 0) throw new Fault("dict() needs pairs");
      result.set(key, value);
    }
  }
  for (const [key, value] of named) result.set(key, value);
  return result;
}
