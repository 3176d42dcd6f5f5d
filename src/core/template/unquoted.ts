import { assertNever } from "../assert_never.ts";
import type { Body, Expression, Located, Statement, Target } from "./ast.ts";
import type { TemplatePosition } from "./errors.ts";
import {
  CONSTANT,
  elementOf,
  type Knowledge,
  type Level,
  lowest,
  plain,
  SAFE,
  type Safety,
  safetyOf,
  UNSAFE,
} from "./safety.ts";

/** An expression whose text may get into the shell line as more than one word, or as a command of its own. */
export interface UnquotedExpression extends TemplatePosition {
  /** As written in the tag. */
  readonly expression: string;
}

type Macro = Statement & { readonly type: "macro" };

/** What is known at one place of a template. */
interface Scope {
  readonly variables: Map<string, Safety>;
  readonly stored: Map<string, Level>;
  readonly macros: Map<string, Macro>;
  readonly macroDepth: number;
  readonly report: (located: Located) => void;
}

const MAX_MACRO_DEPTH = 5;

/**
 * Finds the expressions that are written out without having gone through `q`, in the order of the template.
 *
 * @param plainVariables variables of the job that are safe as they are, e.g. numbers
 */
export function findUnquoted(body: Body, plainVariables: readonly string[]): readonly UnquotedExpression[] {
  const variables = new Map(plainVariables.map((name) => [name, SAFE]));
  const stored = new Map<string, Level>();
  // What a loop stores late is read by what comes before it, so this goes on until nothing new is found.
  for (;;) {
    const before = JSON.stringify([...stored]);
    const found: UnquotedExpression[] = [];
    const report = ({ source, line, column }: Located) => found.push({ expression: source, line, column });
    walk(body, { variables: new Map(variables), stored, macros: new Map(), macroDepth: 0, report });
    if (JSON.stringify([...stored]) === before) return found;
  }
}

/** @returns the level of what `body` writes */
function walk(body: Body, scope: Scope): Level {
  return lowest(...body.map((statement) => walkStatement(statement, scope)));
}

function walkStatement(statement: Statement, scope: Scope): Level {
  switch (statement.type) {
    case "text":
      return CONSTANT;
    case "output": {
      const { text } = safetyOf(statement.value.expression, knowledge(scope));
      if (text === UNSAFE) scope.report(statement.value);
      return text;
    }
    case "if":
      return walkIf(statement, scope);
    case "for": {
      const items = forItems(statement, scope);
      const inner = inside(scope);
      assign(statement.target, elementOf(items), inner);
      inner.variables.set("loop", { text: UNSAFE, items: items.items });
      return lowest(walk(statement.body, inner), walk(statement.otherwise, inside(scope)));
    }
    case "set":
      assignExpression(statement.target, statement.value.expression, scope);
      return CONSTANT;
    case "capture":
      assign(
        statement.target,
        plain(
          walk(
            statement.body,
            inside(scope, () => {}),
          ),
        ),
        scope,
      );
      return CONSTANT;
    case "with": {
      const inner = inside(scope);
      for (const [target, value] of statement.bindings) {
        assign(target, safetyOf(value.expression, knowledge(scope)), inner);
      }
      return walk(statement.body, inner);
    }
    case "filter":
      return walkFilter(statement, scope);
    case "macro":
      scope.macros.set(statement.name, statement);
      return CONSTANT;
    default:
      return assertNever(statement);
  }
}

function inside(scope: Scope, report = scope.report): Scope {
  return { ...scope, variables: new Map(scope.variables), report };
}

function walkIf(statement: Statement & { readonly type: "if" }, scope: Scope): Level {
  const known = knowledge(scope);
  const bodies = [...statement.branches.map(({ body }) => body), statement.otherwise];
  for (const { test } of statement.branches) safetyOf(test.expression, known);
  const branches = bodies.map((body) => ({ body, scope: inside(scope) }));
  const level = lowest(...branches.map((branch) => walk(branch.body, branch.scope)));
  for (const name of new Set(branches.flatMap((branch) => [...branch.scope.variables.keys()]))) {
    const variants = branches.map((branch) => branch.scope.variables.get(name) ?? plain(UNSAFE));
    const merged = {
      text: lowest(...variants.map(({ text }) => text)),
      items: lowest(...variants.map(({ items }) => items)),
    };
    scope.variables.set(name, merged);
  }
  return level;
}

function forItems(statement: Statement & { readonly type: "for" }, scope: Scope): Safety {
  return safetyOf(statement.items.expression, knowledge(scope));
}

function walkFilter(statement: Statement & { readonly type: "filter" }, scope: Scope): Level {
  const written = walk(
    statement.body,
    inside(scope, () => {}),
  );
  const inner = inside(scope);
  inner.variables.set("", plain(written));
  const { text } = safetyOf(statement.filter.expression, knowledge(inner));
  if (text === UNSAFE && written === UNSAFE) walk(statement.body, inside(scope));
  else if (text === UNSAFE) scope.report(statement.filter);
  return text;
}

function assignExpression(target: Target, expression: Expression, scope: Scope): void {
  const known = knowledge(scope);
  if (target.type === "tuple" && expression.type === "tuple" && target.items.length === expression.items.length) {
    const safeties = expression.items.map((item) => safetyOf(item, known));
    for (const [index, item] of target.items.entries()) assign(item, safeties[index] ?? plain(UNSAFE), scope);
    return;
  }
  if (target.type === "name" && expression.type === "call" && expression.name === "namespace") {
    for (const [name, value] of expression.named) known.store(`${target.name}.${name}`, safetyOf(value, known).text);
  }
  assign(target, safetyOf(expression, known), scope);
}

function assign(target: Target, safety: Safety, scope: Scope): void {
  if (target.type === "name") scope.variables.set(target.name, safety);
  else if (target.type === "member") knowledge(scope).store(`${target.name}.${target.attribute}`, safety.text);
  else for (const item of target.items) assign(item, elementOf(safety), scope);
}

function knowledge(scope: Scope): Knowledge {
  return {
    variable: (name) => scope.variables.get(name),
    stored: (place) => scope.stored.get(place),
    store: (place, level) => {
      scope.stored.set(place, lowest(level, scope.stored.get(place) ?? CONSTANT));
    },
    macro: (name, args, named) => {
      const macro = scope.macros.get(name);
      if (macro === undefined || scope.macroDepth >= MAX_MACRO_DEPTH) return undefined;
      const inner = { ...inside(scope, () => {}), macroDepth: scope.macroDepth + 1 };
      for (const [index, { name: parameter, otherwise }] of macro.parameters.entries()) {
        const given = args[index] ?? named.get(parameter);
        const fallback = otherwise ? safetyOf(otherwise.expression, knowledge(inner)) : SAFE;
        inner.variables.set(parameter, given ?? fallback);
      }
      return walk(macro.body, inner);
    },
  };
}
