import type { Expression } from "./ast.ts";
import { MARKUP_FILTERS } from "./filters.ts";
import { partsOf } from "./scope.ts";

/** What becomes of a value: it is written out or turned into text, its items are joined, or anything else. */
export type Usage = "text" | "joined" | "other";

const STREAM_FILTERS = new Set(["unique", "items", "batch"]);

/**
 * Finds values that are used where they cannot be:
 * - Jinja2 marks what some filters give as safe HTML, and from then on escapes whatever is joined with it, even where
 *   escaping is off. So these filters are refused but where the mark is lost at once.
 * - Filters such as `map` give a generator, whose text is an address in memory.
 *
 * @returns the reason of a refusal, or undefined
 */
export function usageProblem(expression: Expression, usage: Usage): string | undefined {
  const name = expression.type === "filter" ? expression.name : "";
  if (MARKUP_FILTERS.has(name) && usage !== "text") {
    return `the result of the filter "${name}" can only be written out or passed to q, replace or ~`;
  }
  if (usage === "text" && (expression.type === "each" || STREAM_FILTERS.has(name))) {
    return "the items of a generator have to be taken with a filter such as join or list";
  }
  if (expression.type === "each" && expression.action.type === "filter") {
    const { name: mapped } = expression.action;
    if (MARKUP_FILTERS.has(mapped) && usage !== "joined") return `map("${mapped}") can only be followed by join`;
  }
  for (const part of partsOf(expression)) {
    const problem = usageProblem(part, usageOf(part, expression, usage));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function usageOf(part: Expression, whole: Expression, usage: Usage): Usage {
  switch (whole.type) {
    case "concat":
      return "text";
    case "and":
    case "or":
      return usage;
    case "condition":
      return part === whole.test ? "other" : usage;
    case "filter":
      if (part !== whole.value) return "other";
      if (whole.name === "join") return "joined";
      return whole.name === "q" || whole.name === "replace" ? "text" : "other";
    default:
      return "other";
  }
}
