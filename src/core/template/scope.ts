import { assertNever } from "../assert_never.ts";
import type { Body, Expression, PerItem, Statement, Target } from "./ast.ts";

/** Where a variable of a scope gets its value when the scope is entered. */
export type Load =
  /** It is assigned before the body runs, e.g. by a loop. */
  | "parameter"
  /** From the variables of the job. */
  | "resolve"
  /** From the scope around. */
  | "alias"
  /** It has none until it is assigned. */
  | "undefined";

/**
 * The variables of one scope of a template, found before rendering. This is Jinja2's `idtracking.Symbols`: a name
 * that is assigned anywhere in a scope belongs to that scope from its beginning.
 */
export class Symbols {
  readonly parent: Symbols | undefined;
  readonly loads: Map<string, Load>;
  readonly stores: Set<string>;

  constructor(parent?: Symbols, loads: ReadonlyMap<string, Load> = new Map(), stores: ReadonlySet<string> = new Set()) {
    this.parent = parent;
    this.loads = new Map(loads);
    this.stores = new Set(stores);
  }

  knows(name: string): boolean {
    return this.loads.has(name) || this.parent?.knows(name) === true;
  }
  parameter(name: string): void {
    this.stores.add(name);
    this.loads.set(name, "parameter");
  }
  store(name: string): void {
    this.stores.add(name);
    if (!this.loads.has(name)) this.loads.set(name, this.parent?.knows(name) ? "alias" : "undefined");
  }
  load(name: string): void {
    if (!this.knows(name)) this.loads.set(name, "resolve");
  }

  /** Takes over what the branches of an `if` assign; where they do not run, the value is the one from outside. */
  merge(branches: readonly Symbols[]): void {
    const stored = new Set(branches.flatMap((branch) => [...branch.stores]).filter((name) => !this.stores.has(name)));
    for (const branch of branches) {
      for (const [name, load] of branch.loads) this.loads.set(name, load);
      for (const name of branch.stores) this.stores.add(name);
    }
    for (const name of stored) this.loads.set(name, this.parent?.knows(name) ? "alias" : "resolve");
  }

  copy(): Symbols {
    return new Symbols(this.parent, this.loads, this.stores);
  }
}

/** Adds what `body` reads and assigns in its own scope; inner scopes are left to themselves. */
export function trackBody(symbols: Symbols, body: Body): Symbols {
  for (const statement of body) trackStatement(symbols, statement);
  return symbols;
}

function trackStatement(symbols: Symbols, statement: Statement): void {
  switch (statement.type) {
    case "text":
      return;
    case "output":
      return trackReads(symbols, statement.value.expression);
    case "if":
      return trackIf(symbols, statement);
    case "for":
      return trackReads(symbols, statement.items.expression);
    case "set":
      trackReads(symbols, statement.value.expression);
      return trackTarget(symbols, statement.target);
    case "capture":
      return trackTarget(symbols, statement.target);
    case "with":
      for (const [, value] of statement.bindings) trackReads(symbols, value.expression);
      return;
    case "filter":
      return trackReads(symbols, statement.filter.expression);
    case "macro":
      return symbols.store(statement.name);
    default:
      return assertNever(statement);
  }
}

function trackIf(symbols: Symbols, { branches, otherwise }: Statement & { readonly type: "if" }): void {
  const [first, ...others] = branches;
  if (first === undefined) return;
  trackReads(symbols, first.test.expression);
  const firstSymbols = trackBody(symbols.copy(), first.body);
  // Jinja2 keeps each `elif` as an `if` of its own inside of one branch.
  const otherSymbols = symbols.copy();
  for (const other of others) trackIf(otherSymbols, { type: "if", branches: [other], otherwise: [] });
  symbols.merge([firstSymbols, otherSymbols, trackBody(symbols.copy(), otherwise)]);
}

/** Adds the names that a target assigns to. */
export function trackTarget(symbols: Symbols, target: Target, isParameter = false): void {
  if (target.type === "tuple") for (const item of target.items) trackTarget(symbols, item, isParameter);
  else if (target.type === "member") symbols.load(target.name);
  else if (isParameter) symbols.parameter(target.name);
  else symbols.store(target.name);
}

/** Adds the names that an expression reads. */
export function trackReads(symbols: Symbols, expression: Expression): void {
  if (expression.type === "name" || expression.type === "call") symbols.load(expression.name);
  for (const part of partsOf(expression)) trackReads(symbols, part);
}

/** The expressions that an expression consists of. */
export function partsOf(expression: Expression): readonly Expression[] {
  const named = "named" in expression ? expression.named.map(([, value]) => value) : [];
  switch (expression.type) {
    case "constant":
    case "name":
    case "captured":
      return [];
    case "list":
    case "tuple":
    case "concat":
      return expression.items;
    case "dict":
      return expression.pairs.flat();
    case "attribute":
      return [expression.object];
    case "item":
      return [expression.object, expression.key];
    case "slice":
      return [expression.object, ...expression.bounds];
    case "method":
      return [expression.object, ...expression.args, ...named];
    case "call":
      return [...expression.args, ...named];
    case "filter":
      return present([expression.value, ...expression.args]);
    case "format":
      return [expression.value, ...expression.args, ...named];
    case "each":
      return [expression.value, ...partsOfAction(expression.action)];
    case "test":
      return present([expression.value, expression.argument]);
    case "not":
    case "sign":
      return [expression.value];
    case "arithmetic":
    case "and":
    case "or":
      return [expression.left, expression.right];
    case "comparison":
      return [expression.first, ...expression.rest.map(([, value]) => value)];
    case "condition":
      return present([expression.test, expression.value, expression.otherwise]);
    default:
      return assertNever(expression);
  }
}

function partsOfAction(action: PerItem): readonly Expression[] {
  if (action.type === "member") return present([action.attribute, action.otherwise]);
  return present(action.type === "filter" ? action.args : [action.attribute, action.argument]);
}

function present(parts: readonly (Expression | undefined)[]): readonly Expression[] {
  return parts.filter((part) => part !== undefined);
}
