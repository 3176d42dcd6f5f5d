import { BartenderError } from "../errors.ts";

/** A place in a template; both count from 1, columns in UTF-16 units. */
export interface TemplatePosition {
  readonly line: number;
  readonly column: number;
}

/** The template cannot be used: wrong syntax, an unknown name, or a construct that cannot be done exactly as Jinja2 does. */
export class TemplateSyntaxError extends BartenderError {
  readonly line: number;
  readonly column: number;

  constructor(reason: string, position: TemplatePosition) {
    super("template_syntax", `line ${position.line}, column ${position.column}: ${reason}`);
    this.line = position.line;
    this.column = position.column;
  }
}

/** The template cannot be rendered with these variables; the message names the expression, its place and the reason. */
export class TemplateRenderError extends BartenderError {
  constructor(message: string) {
    super("template_render", message);
  }
}

/**
 * Why an operation on values failed, where Python raises or where Python's answer cannot be given exactly.
 * Leaves the engine only as a {@link TemplateRenderError}, which adds the expression.
 */
export class Fault extends Error {}
