import type { Comparison } from "./comparison.ts";
import type { TemplatePosition } from "./errors.ts";
import type { Filter } from "./filter.ts";
import type { Arithmetic } from "./operators.ts";
import type { TemplateTest } from "./tests.ts";
import type { Value } from "./values.ts";

/** Arguments by name, in the order of the source. */
export type NamedExpressions = readonly (readonly [name: string, value: Expression])[];

/** What `map`, `select` and the like do with each item. */
export type PerItem =
  | { readonly type: "member"; readonly attribute: Expression; readonly otherwise: Expression | undefined }
  | { readonly type: "filter"; readonly name: string; readonly filter: Filter; readonly args: Arguments }
  | {
      readonly type: "test";
      readonly keeps: boolean;
      readonly attribute: Expression | undefined;
      /** Without a test, the truth of the value decides. */
      readonly test: TemplateTest | undefined;
      readonly argument: Expression | undefined;
    };

/** Arguments of a filter in the order of its parameters. */
export type Arguments = readonly (Expression | undefined)[];

/** An expression of a template; names, filters, tests and methods in it are known to exist. */
export type Expression =
  | { readonly type: "constant"; readonly value: Value }
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "list" | "tuple" | "concat"; readonly items: readonly Expression[] }
  | { readonly type: "dict"; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly type: "attribute"; readonly object: Expression; readonly name: string }
  | { readonly type: "item"; readonly object: Expression; readonly key: Expression }
  | {
      readonly type: "slice";
      readonly object: Expression;
      readonly bounds: readonly [Expression, Expression, Expression];
    }
  | {
      readonly type: "method";
      readonly object: Expression;
      readonly name: string;
      readonly args: readonly Expression[];
      readonly named: NamedExpressions;
    }
  | {
      readonly type: "call";
      readonly name: string;
      readonly args: readonly Expression[];
      readonly named: NamedExpressions;
    }
  | {
      readonly type: "filter";
      readonly name: string;
      readonly filter: Filter;
      readonly value: Expression;
      readonly args: Arguments;
    }
  /** The filter `format`, which takes any number of arguments. */
  | {
      readonly type: "format";
      readonly value: Expression;
      readonly args: readonly Expression[];
      readonly named: NamedExpressions;
    }
  | { readonly type: "each"; readonly value: Expression; readonly action: PerItem }
  | {
      readonly type: "test";
      readonly test: TemplateTest;
      readonly value: Expression;
      readonly argument: Expression | undefined;
    }
  | { readonly type: "not"; readonly value: Expression }
  | { readonly type: "sign"; readonly operator: "-" | "+"; readonly value: Expression }
  | {
      readonly type: "arithmetic";
      readonly operator: Arithmetic;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly type: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | {
      readonly type: "comparison";
      readonly first: Expression;
      readonly rest: readonly (readonly [Comparison, Expression])[];
    }
  | {
      readonly type: "condition";
      readonly test: Expression;
      readonly value: Expression;
      readonly otherwise: Expression | undefined;
    }
  /** The text of the block that a `{% filter %}` works on. */
  | { readonly type: "captured" };

/** An expression with its place and text in the template, for messages. */
export interface Located extends TemplatePosition {
  readonly expression: Expression;
  readonly source: string;
}

/** What `set`, `for` and `with` assign to. */
export type Target =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "member"; readonly name: string; readonly attribute: string }
  | { readonly type: "tuple"; readonly items: readonly Target[] };

/** A part of a template. */
export type Statement =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "output"; readonly value: Located }
  | {
      readonly type: "if";
      readonly branches: readonly { readonly test: Located; readonly body: Body }[];
      readonly otherwise: Body;
    }
  | {
      readonly type: "for";
      readonly target: Target;
      readonly items: Located;
      readonly test: Located | undefined;
      readonly body: Body;
      readonly otherwise: Body;
    }
  | { readonly type: "set"; readonly target: Target; readonly value: Located }
  | { readonly type: "capture"; readonly target: Target; readonly body: Body; readonly place: TemplatePosition }
  | { readonly type: "with"; readonly bindings: readonly (readonly [Target, Located])[]; readonly body: Body }
  /** `filter` works on an expression of type `captured`. */
  | { readonly type: "filter"; readonly filter: Located; readonly body: Body }
  | {
      readonly type: "macro";
      readonly name: string;
      readonly parameters: readonly { readonly name: string; readonly otherwise: Located | undefined }[];
      readonly body: Body;
    };

/** What stands between two tags, in order. */
export type Body = readonly Statement[];
