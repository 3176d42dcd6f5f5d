import type { Arguments, Expression, NamedExpressions, PerItem } from "./ast.ts";
import { FILTERS } from "./filters.ts";
import { TESTS } from "./tests.ts";
import type { TokenStream } from "./token_stream.ts";

/** Arguments of a call as written. */
export interface CallArguments {
  readonly args: readonly Expression[];
  readonly named: NamedExpressions;
}

/** What is needed of the parser of expressions. */
interface ArgumentParser {
  readonly tokens: TokenStream;
  expression(): Expression;
  callArguments(): CallArguments;
  primary(): Expression;
  postfix(start: Expression): Expression;
}

const NONE: Expression = { type: "constant", value: null };
const NO_ARGUMENTS: CallArguments = { args: [], named: [] };

/** Reads what follows a `|`, and gives the filter applied to `value`. */
export function parseFilter(parser: ArgumentParser, value: Expression): Expression {
  const { tokens } = parser;
  const { text: name, start } = tokens.expect("name");
  if (tokens.is("operator", ".")) throw tokens.fault(`unknown filter "${name}."`, start);
  const call = tokens.is("operator", "(") ? parser.callArguments() : NO_ARGUMENTS;
  const fault = (reason: string) => tokens.fault(reason, start);
  if (name === "format") return { type: "format", value, ...checkFormat(call, fault) };
  if (name === "map") return { type: "each", value, action: mapping(call, fault) };
  const selection = /^(select|reject)(attr)?$/.exec(name);
  if (selection) {
    const action = choice(call, { keeps: selection[1] === "select", isByMember: selection[2] !== undefined }, fault);
    return { type: "each", value, action };
  }
  const filter = FILTERS.get(name);
  if (filter === undefined) throw fault(`unknown filter "${name}"`);
  return { type: "filter", name, filter, value, args: bind(name, filter.params, filter.required, call, fault) };
}

type FaultMaker = (reason: string) => Error;

/** Puts arguments into the order of the parameters. */
function bind(
  name: string,
  params: readonly string[],
  required: number,
  { args, named }: CallArguments,
  fault: FaultMaker,
): Arguments {
  if (args.length > params.length) throw fault(`filter "${name}" takes at most ${params.length} arguments`);
  const bound: (Expression | undefined)[] = params.map((_, index) => args[index]);
  for (const [key, value] of named) {
    const index = params.indexOf(key);
    if (index < 0 || bound[index] !== undefined) throw fault(`filter "${name}" does not take the argument "${key}"`);
    bound[index] = value;
  }
  const missing = params.find((_, index) => index < required && bound[index] === undefined);
  if (missing !== undefined) throw fault(`filter "${name}" needs the argument "${missing}"`);
  return bound;
}

function checkFormat(call: CallArguments, fault: FaultMaker): CallArguments {
  if (call.args.length > 0 && call.named.length > 0) {
    throw fault("format: can't handle positional and keyword arguments at the same time");
  }
  return call;
}

function mapping(call: CallArguments, fault: FaultMaker): PerItem {
  const [first, ...rest] = call.args;
  if (first === undefined) {
    const given = new Map(call.named);
    const attribute = given.get("attribute");
    const others = [...given.keys()].filter((key) => key !== "attribute" && key !== "default");
    if (attribute === undefined || others.length > 0) throw fault("map needs a filter or an attribute");
    return { type: "member", attribute, otherwise: given.get("default") };
  }
  const name = nameOf(first, "filter", fault);
  const filter = FILTERS.get(name);
  if (filter === undefined) throw fault(`unknown filter "${name}" for map`);
  const args = bind(name, filter.params, filter.required, { args: rest, named: call.named }, fault);
  return { type: "filter", name, filter, args };
}

function choice(
  call: CallArguments,
  { keeps, isByMember }: { readonly keeps: boolean; readonly isByMember: boolean },
  fault: FaultMaker,
): PerItem {
  if (call.named.length > 0) throw fault("a test takes no named arguments here");
  const [attribute, rest] = isByMember ? [call.args[0], call.args.slice(1)] : [undefined, call.args];
  if (isByMember && attribute === undefined) throw fault("the name of the attribute is missing");
  const [testName, argument, ...surplus] = rest;
  if (testName === undefined) return { type: "test", keeps, attribute, test: undefined, argument: undefined };
  const name = nameOf(testName, "test", fault);
  const test = TESTS.get(name);
  if (test === undefined) throw fault(`unknown test "${name}"`);
  if (surplus.length > 0 || test.argumentCount !== rest.length - 1) throw fault(countFault(name, test.argumentCount));
  return { type: "test", keeps, attribute, test, argument };
}

function nameOf(expression: Expression, kind: string, fault: FaultMaker): string {
  if (expression.type === "constant" && typeof expression.value === "string") return expression.value;
  throw fault(`the name of the ${kind} has to be a text`);
}

function countFault(name: string, count: number): string {
  return `test "${name}" takes ${count === 0 ? "no argument" : "one argument"}`;
}

/** Reads what follows an `is`, and gives the test of `value`. */
export function parseTest(parser: ArgumentParser, value: Expression): Expression {
  const { tokens } = parser;
  const isNegated = tokens.skip("name", "not");
  const { text: name, start } = tokens.expect("name");
  const args = testArguments(parser);
  const test = /^\w+$/.test(name) ? TESTS.get(name) : undefined;
  if (test === undefined || tokens.is("operator", ".")) throw tokens.fault(`unknown test "${name}"`, start);
  if (args.length !== test.argumentCount) throw tokens.fault(countFault(name, test.argumentCount), start);
  const result: Expression = { type: "test", test, value, argument: args[0] };
  return isNegated ? { type: "not", value: result } : result;
}

function testArguments(parser: ArgumentParser): readonly Expression[] {
  const { tokens } = parser;
  if (tokens.is("operator", "(")) {
    const { args, named } = parser.callArguments();
    if (named.length > 0) throw tokens.fault("a test takes no named arguments here");
    return args;
  }
  const isArgument =
    (tokens.is("name") && !tokens.is("name", "else", "or", "and")) ||
    tokens.is("string") ||
    tokens.is("number") ||
    tokens.is("operator", "[", "{");
  if (!isArgument) return [];
  if (tokens.is("name", "is")) throw tokens.fault("You cannot chain multiple tests with is");
  return [parser.postfix(parser.primary())];
}

/** Reads what follows a `[`, and gives the item or slice of `object`. */
export function parseSubscript(parser: ArgumentParser, object: Expression): Expression {
  const { tokens } = parser;
  const offset = tokens.current.start;
  const bounds: (Expression | undefined)[] = [];
  let current: Expression | undefined;
  while (!tokens.is("operator", "]", ",")) {
    if (tokens.skip("operator", ":")) {
      bounds.push(current);
      current = undefined;
      if (bounds.length > 2) throw tokens.fault("a slice has at most three parts");
    } else if (current === undefined) {
      current = parser.expression();
    } else {
      throw tokens.fault(`expected ], got ${tokens.describe()}`);
    }
  }
  if (tokens.is("operator", ",")) return tupleKey(parser, object, bounds, current);
  tokens.expect("operator", "]");
  if (bounds.length > 0) {
    const [start = NONE, stop = NONE, step = NONE] = [...bounds, current];
    return { type: "slice", object, bounds: [start, stop, step] };
  }
  // Jinja2 takes `[]` for the empty tuple as a key.
  if (current === undefined) throw tokens.fault("expected an expression in []", offset);
  return { type: "item", object, key: current };
}

function tupleKey(
  parser: ArgumentParser,
  object: Expression,
  bounds: readonly unknown[],
  first: Expression | undefined,
): Expression {
  const { tokens } = parser;
  if (bounds.length > 0 || first === undefined) throw tokens.fault("a slice cannot be part of a tuple");
  const items = [first];
  while (tokens.skip("operator", ",")) items.push(parser.expression());
  tokens.expect("operator", "]");
  return { type: "item", object, key: { type: "tuple", items } };
}
