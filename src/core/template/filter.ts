import type { Value } from "./values.ts";

/** One filter: `params` are the names of its arguments, of which the first `required` must be given. */
export interface Filter {
  readonly params: readonly string[];
  readonly required: number;
  /** `args` are in the order of `params`, undefined where nothing was given. */
  run(value: Value, args: readonly (Value | undefined)[]): Value;
}

/** @param params names separated by blanks; those before `|` are required. */
export function filter(params: string, run: (value: Value, ...args: (Value | undefined)[]) => Value): Filter {
  const [required = "", optional] = params.includes("|") ? params.split("|") : ["", params];
  const names = (list = "") => list.split(" ").filter((name) => name !== "");
  return {
    params: [...names(required), ...names(optional)],
    required: names(required).length,
    run: (value, args) => run(value, ...args),
  };
}
