import type { Expression, Located } from "./ast.ts";
import { type CallArguments, parseFilter, parseSubscript, parseTest } from "./call_parser.ts";
import type { Comparison } from "./comparison.ts";
import { constantProblem } from "./constants.ts";
import { isSpecialName } from "./members.ts";
import { methodProblem } from "./methods.ts";
import type { Arithmetic } from "./operators.ts";
import type { TokenStream } from "./token_stream.ts";
import { usageProblem } from "./usage.ts";

const CONSTANTS = new Map<string, null | boolean>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);
/** Jinja2 gives these a meaning of their own, which cannot be done here. */
const RESERVED = new Set(["self", "super", "caller", "varargs", "kwargs"]);

/**
 * Reads the expressions of one template, by Jinja2's grammar: `|` and `is` bind tighter than `**`, that tighter than
 * `*`, then `~`, then `+`, and comparisons make chains.
 */
export class ExpressionParser {
  readonly tokens: TokenStream;
  readonly #functions: ReadonlySet<string>;

  /** @param functions what may be called by name: Jinja2's own functions and the macros of the template */
  constructor(tokens: TokenStream, functions: ReadonlySet<string>) {
    this.tokens = tokens;
    this.#functions = functions;
  }

  /** @param isOutput the text goes straight into the command */
  located(parse: () => Expression, isOutput = false): Located {
    const start = this.tokens.current.start;
    const expression = parse();
    const problem = usageProblem(expression, isOutput ? "text" : "other") ?? constantProblem(expression);
    if (problem !== undefined) throw this.tokens.fault(problem, start);
    const source = this.tokens.source.text.slice(start, this.tokens.previousEnd);
    return { expression, source, ...this.tokens.source.position(start) };
  }

  /** Several expressions with commas between them are a tuple. */
  tuple(options: { readonly withCondition?: boolean; readonly isParenthesised?: boolean } = {}): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (this.tokens.is("output_end") || this.tokens.is("block_end") || this.tokens.is("operator", ")")) break;
      items.push(options.withCondition === false ? this.#or() : this.expression());
      if (!this.tokens.skip("operator", ",")) break;
      isTuple = true;
    }
    const [only] = items;
    if (!isTuple && only !== undefined) return only;
    if (!isTuple && !options.isParenthesised) {
      throw this.tokens.fault(`Expected an expression, got ${this.tokens.describe()}`);
    }
    return { type: "tuple", items };
  }

  expression(): Expression {
    let value = this.#or();
    while (this.tokens.skip("name", "if")) {
      const test = this.#or();
      const otherwise = this.tokens.skip("name", "else") ? this.expression() : undefined;
      value = { type: "condition", test, value, otherwise };
    }
    return value;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.tokens.skip("name", "or")) left = { type: "or", left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.tokens.skip("name", "and")) left = { type: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    return this.tokens.skip("name", "not") ? { type: "not", value: this.#not() } : this.#comparison();
  }

  #comparison(): Expression {
    const first = this.#sum();
    const rest: [Comparison, Expression][] = [];
    for (;;) {
      if (this.tokens.is("operator", "==", "!=", "<", "<=", ">", ">=")) {
        rest.push([this.tokens.next().text as Comparison, this.#sum()]);
      } else if (this.tokens.skip("name", "in")) {
        rest.push(["in", this.#sum()]);
      } else if (this.tokens.is("name", "not") && this.tokens.isNext("name", "in")) {
        this.tokens.next();
        this.tokens.next();
        rest.push(["not in", this.#sum()]);
      } else {
        return rest.length === 0 ? first : { type: "comparison", first, rest };
      }
    }
  }

  #sum(): Expression {
    return this.#arithmetic(["+", "-"], () => this.#concatenation());
  }

  #concatenation(): Expression {
    const first = this.#product();
    const items = [first];
    while (this.tokens.skip("operator", "~")) items.push(this.#product());
    return items.length === 1 ? first : { type: "concat", items };
  }

  #product(): Expression {
    return this.#arithmetic(["*", "/", "//", "%"], () => this.#arithmetic(["**"], () => this.unary(true)));
  }

  #arithmetic(operators: readonly Arithmetic[], parse: () => Expression): Expression {
    let left = parse();
    while (this.tokens.is("operator", ...operators)) {
      const operator = this.tokens.next().text as Arithmetic;
      left = { type: "arithmetic", operator, left, right: parse() };
    }
    return left;
  }

  unary(withFilters: boolean): Expression {
    let value: Expression;
    if (this.tokens.is("operator", "-", "+")) {
      const operator = this.tokens.next().text === "-" ? "-" : "+";
      value = { type: "sign", operator, value: this.unary(false) };
    } else {
      value = this.primary();
    }
    value = this.postfix(value);
    if (!withFilters) return value;
    for (;;) {
      if (this.tokens.skip("operator", "|")) value = parseFilter(this, value);
      else if (this.tokens.skip("name", "is")) value = parseTest(this, value);
      else if (this.tokens.is("operator", "("))
        throw this.tokens.fault("the result of a filter or test cannot be called");
      else return value;
    }
  }

  primary(): Expression {
    const token = this.tokens.next();
    if (token.type === "name") {
      const constant = CONSTANTS.get(token.text);
      if (constant !== undefined) return { type: "constant", value: constant };
      if (RESERVED.has(token.text)) throw this.tokens.fault(`the name "${token.text}" is not supported`, token.start);
      return { type: "name", name: token.text };
    }
    if (token.type === "string") {
      let value = token.text;
      while (this.tokens.is("string")) value += this.tokens.next().text;
      return { type: "constant", value };
    }
    if (token.number !== undefined) return { type: "constant", value: token.number };
    if (token.type === "operator" && token.text === "(") {
      const value = this.tuple({ isParenthesised: true });
      this.tokens.expect("operator", ")");
      return value;
    }
    if (token.type === "operator" && token.text === "[")
      return { type: "list", items: this.#items("]", () => this.expression()) };
    if (token.type === "operator" && token.text === "{")
      return { type: "dict", pairs: this.#items("}", () => this.#pair()) };
    throw this.tokens.fault(`unexpected ${token.type === "end" ? "end of template" : `"${token.text}"`}`, token.start);
  }

  #pair(): readonly [Expression, Expression] {
    const key = this.expression();
    this.tokens.expect("operator", ":");
    return [key, this.expression()];
  }

  /** Items up to `closing`; a comma may follow the last. */
  #items<T>(closing: string, parse: () => T): readonly T[] {
    const items: T[] = [];
    while (!this.tokens.is("operator", closing)) {
      if (items.length > 0) this.tokens.expect("operator", ",");
      if (this.tokens.is("operator", closing)) break;
      items.push(parse());
    }
    this.tokens.expect("operator", closing);
    return items;
  }

  postfix(start: Expression): Expression {
    let value = start;
    for (;;) {
      const offset = this.tokens.current.start;
      if (this.tokens.skip("operator", ".")) value = this.#member(value);
      else if (this.tokens.skip("operator", "[")) value = parseSubscript(this, value);
      else if (this.tokens.is("operator", "(")) value = this.#call(value, offset);
      else return value;
    }
  }

  #member(object: Expression): Expression {
    const token = this.tokens.next();
    if (token.type === "name") {
      if (isSpecialName(token.text))
        throw this.tokens.fault(`the attribute "${token.text}" is not available`, token.start);
      const isCall = this.tokens.is("operator", "(");
      if (!isCall && ["items", "keys", "values", "get"].includes(token.text)) {
        const hint = `write ["${token.text}"] for an entry of a dictionary`;
        throw this.tokens.fault(`".${token.text}" is a method in Jinja2 and has to be called; ${hint}`, token.start);
      }
      return { type: "attribute", object, name: token.text };
    }
    if (typeof token.number === "bigint")
      return { type: "item", object, key: { type: "constant", value: token.number } };
    throw this.tokens.fault("expected name or number", token.start);
  }

  #call(callee: Expression, offset: number): Expression {
    const { args, named } = this.callArguments();
    if (callee.type === "attribute") {
      const names = named.map(([name]) => name);
      const problem = methodProblem(callee.name, args.length, names);
      if (problem !== undefined) throw this.tokens.fault(problem, offset);
      return { type: "method", object: callee.object, name: callee.name, args, named };
    }
    if (callee.type !== "name") throw this.tokens.fault("only functions and methods can be called", offset);
    if (!this.#functions.has(callee.name)) throw this.tokens.fault(`unknown function "${callee.name}"`, offset);
    return { type: "call", name: callee.name, args, named };
  }

  callArguments(): CallArguments {
    this.tokens.expect("operator", "(");
    const args: Expression[] = [];
    const named: (readonly [string, Expression])[] = [];
    while (!this.tokens.is("operator", ")")) {
      if (args.length + named.length > 0) {
        this.tokens.expect("operator", ",");
        if (this.tokens.is("operator", ")")) break;
      }
      if (this.tokens.is("operator", "*", "**")) throw this.tokens.fault("unpacked arguments are not supported");
      if (this.tokens.is("name") && this.tokens.isNext("operator", "=")) {
        const name = this.tokens.next();
        this.tokens.next();
        if (named.some(([other]) => other === name.text))
          throw this.tokens.fault(`${name.text} is given twice`, name.start);
        named.push([name.text, this.expression()]);
      } else if (named.length > 0) {
        throw this.tokens.fault("invalid syntax for function call expression");
      } else {
        args.push(this.expression());
      }
    }
    this.tokens.expect("operator", ")");
    return { args, named };
  }
}
