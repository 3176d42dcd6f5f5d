import type { CommandTemplate } from "./application.ts";
import type { JsonObject } from "./json.ts";
import { Fault, TemplateRenderError } from "./template_errors.ts";
import { Frame, Rendering } from "./template_frame.ts";
import { parseTemplate } from "./template_parser.ts";
import { Symbols, trackBody } from "./template_scope.ts";
import { compile } from "./template_statements.ts";
import { Variables } from "./template_variables.ts";

const NO_FLOATS: ReadonlySet<string> = new Set();

export interface ParsedCommandTemplate extends CommandTemplate {
  render(variables: JsonObject, floats?: ReadonlySet<string>): string;
}

export function parseCommandTemplate(source: string): ParsedCommandTemplate {
  const body = parseTemplate(source);
  const symbols = trackBody(new Symbols(), body);
  const run = compile(body, symbols);
  return {
    render(variables, floats = NO_FLOATS) {
      const rendering = new Rendering(new Variables(variables, floats));
      try {
        run(new Frame(symbols, rendering));
      } catch (error) {
        if (error instanceof RangeError) throw new TemplateRenderError("Values or macros are nested too deeply");
        if (error instanceof Fault) throw new TemplateRenderError(`Template: ${error.message}`);
        throw error;
      }
      return rendering.output;
    },
  };
}
