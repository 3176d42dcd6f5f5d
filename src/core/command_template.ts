import type { CommandTemplate } from "./application.ts";
import { Fault, TemplateRenderError } from "./template/errors.ts";
import { Frame, Rendering } from "./template/frame.ts";
import { parseTemplate } from "./template/parser.ts";
import { Symbols, trackBody } from "./template/scope.ts";
import { compile } from "./template/statements.ts";
import { findUnquoted, type UnquotedExpression } from "./template/unquoted.ts";
import { Variables } from "./template/variables.ts";

const NO_FLOATS: ReadonlySet<string> = new Set();

/** A command template with what `check-config` tells about it. */
export interface ParsedCommandTemplate extends CommandTemplate {
  /** Expressions that may break out of their place in the shell line, because they do not end in `|q`. */
  readonly unquotedExpressions: readonly UnquotedExpression[];
}

/**
 * Parses a command template: Jinja2 with `trim_blocks` and `lstrip_blocks`, without escaping, with the filter `q`.
 *
 * What it renders is what Jinja2 3.1 on Python 3.11 renders. The rest is refused here as far as the template alone
 * tells, else when it is rendered:
 * - inheritance, `include`, `import`, `call`, `recursive` loops, filters such as `random` and `pprint`, attributes
 *   of Python's own and functions besides `range`, `dict`, `namespace` and the template's macros;
 * - HTML-safe text in any other place than the output;
 * - numbers beyond 2**53 that come as JSON, what is not a number, and powers and sums of floats whose last digit
 *   depends on the computer or the version of Python;
 * - texts of more than 1 MiB, lists of more than 100,000 items and as many rounds of loops.
 *
 * @param plainVariables variables that need no `|q`, e.g. because the schema says that they are numbers
 * @throws {TemplateSyntaxError}
 */
export function parseCommandTemplate(source: string, plainVariables: readonly string[] = []): ParsedCommandTemplate {
  const body = parseTemplate(source);
  const symbols = trackBody(new Symbols(), body);
  const run = compile(body, symbols);
  return {
    unquotedExpressions: findUnquoted(body, plainVariables),
    render(variables, floats = NO_FLOATS) {
      const rendering = new Rendering(new Variables(variables, floats));
      try {
        run(new Frame(symbols, rendering));
        return rendering.output;
      } catch (error) {
        if (error instanceof Fault) throw new TemplateRenderError(`The command: ${error.message}`);
        // Only nesting of thousands of levels ends in a RangeError.
        if (error instanceof RangeError) throw new TemplateRenderError("The command: nested too deeply");
        throw error;
      }
    },
  };
}
