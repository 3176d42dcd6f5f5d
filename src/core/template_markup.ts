import type { Expression } from "./template_ast.ts";
import { MARKUP_FILTERS } from "./template_filters.ts";
import { partsOf } from "./template_scope.ts";

/**
 * Jinja2 marks what some filters give as safe HTML, and from then on escapes whatever is joined with it, even where
 * escaping is off. So these filters are refused but where the mark is lost at once.
 *
 * @param isText the value is used as nothing but text
 * @returns the reason of a refusal, or undefined
 */
export function refuseMarkup(expression: Expression, isText: boolean): string | undefined {
  if (expression.type === "filter" && MARKUP_FILTERS.has(expression.name) && !isText) {
    return `the result of the filter "${expression.name}" can only be written out or passed to q, replace or ~`;
  }
  if (expression.type === "each" && expression.action.type === "filter") {
    const { name } = expression.action;
    if (MARKUP_FILTERS.has(name) && !isText) return `map("${name}") can only be followed by join`;
  }
  for (const part of partsOf(expression)) {
    const problem = refuseMarkup(part, isTextOnly(part, expression, isText));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isTextOnly(part: Expression, whole: Expression, isText: boolean): boolean {
  switch (whole.type) {
    case "concat":
      return true;
    case "and":
    case "or":
      return isText;
    case "condition":
      return isText && part !== whole.test;
    case "filter":
      if (part !== whole.value) return false;
      return whole.name === "q" || whole.name === "replace" || (whole.name === "join" && part.type === "each");
    default:
      return false;
  }
}
