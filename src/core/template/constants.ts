import type { Expression } from "./ast.ts";
import { Fault } from "./errors.ts";
import { evaluate } from "./expressions.ts";
import { braceFieldProblem, percentFieldProblem } from "./format.ts";
import { Frame, Rendering } from "./frame.ts";
import { partsOf, Symbols } from "./scope.ts";
import { Variables } from "./variables.ts";

/**
 * Finds what is sure to fail whatever the variables are, so that the template's author hears of it and not the first
 * user: parts without variables are tried, and constant formats are read.
 *
 * @returns the reason, or undefined
 */
export function constantProblem(expression: Expression): string | undefined {
  if (isClosed(expression)) return trial(expression);
  const problem = formatProblem(expression);
  if (problem !== undefined) return problem;
  for (const part of partsOf(expression)) {
    const inner = constantProblem(part);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function isClosed(expression: Expression): boolean {
  if (expression.type === "name" || expression.type === "call" || expression.type === "captured") return false;
  return partsOf(expression).every(isClosed);
}

function trial(expression: Expression): string | undefined {
  try {
    evaluate(expression, new Frame(new Symbols(), new Rendering(new Variables({}, new Set()))));
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

function formatProblem(expression: Expression): string | undefined {
  if (expression.type === "format") return percentProblem(expression.value);
  if (expression.type === "arithmetic" && expression.operator === "%") return percentProblem(expression.left);
  if (expression.type === "arithmetic" && expression.operator === "**") {
    const { right } = expression;
    const isFraction = right.type === "constant" && typeof right.value === "number" && !Number.isInteger(right.value);
    return isFraction ? "a power that computers round differently" : undefined;
  }
  if (expression.type !== "method" || expression.name !== "format") return undefined;
  const { object } = expression;
  return object.type === "constant" && typeof object.value === "string" ? braceFieldProblem(object.value) : undefined;
}

function percentProblem(template: Expression): string | undefined {
  const isText = template.type === "constant" && typeof template.value === "string";
  return isText ? percentFieldProblem(String(template.value)) : undefined;
}
