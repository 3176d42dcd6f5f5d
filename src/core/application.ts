import type { JobResources } from "./job_resources.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { Sandbox } from "./sandbox.ts";

/** A command template, parsed and checked when the configuration was loaded. */
export interface CommandTemplate {
  /**
   * @param variables validated form values or body
   * @param floats JSON pointers of the whole numbers in them that were written as floats, e.g. `1.0`; default: none
   * @returns the command for `/bin/sh -c`
   * @throws {TemplateRenderError} e.g. for a member of something undefined; the message names the expression
   */
  render(variables: JsonObject, floats?: ReadonlySet<string>): string;
}

/** Answer of a validation: the values to use, or every violation as a sentence of its own. */
export type Validation<T> =
  | { readonly isValid: true; readonly value: T }
  | { readonly isValid: false; readonly violations: readonly string[] };

/** An entry of `applications` in the configuration, ready for use. */
export interface Application {
  readonly name: string;
  readonly summary: string | undefined;
  readonly description: string | undefined;
  readonly command: CommandTemplate;
  /** File names that must be in the upload, relative to its root. */
  readonly uploadNeeds: readonly string[];
  /** The caller needs one of them; empty means everybody with a token. */
  readonly allowedRoles: readonly string[];
  /** A command that runs longer is ended; null: no limit. */
  readonly maxRuntimeS: number | null;
  /**
   * What a job with these form values asks a batch system for.
   *
   * @throws {BartenderError} when a value is no amount of its resource
   */
  resources(parameters: JsonObject): JobResources;
  /** JSON Schema 2020-12 of the form fields, as configured; undefined when the application takes none. */
  readonly inputSchema: JsonObject | undefined;
  /**
   * Converts form values to the declared numbers and booleans, fills in defaults and validates.
   * Without `inputSchema` every field is dropped and the value is `{}`.
   */
  validateForm(fields: Readonly<Record<string, string>>): Validation<JsonObject>;
}

/** An entry of `interactive_applications`, ready for use. */
export interface InteractiveApplication {
  readonly name: string;
  readonly summary: string | undefined;
  readonly description: string | undefined;
  readonly command: CommandTemplate;
  readonly inputSchema: JsonObject;
  /** Greater than 0, at most 60. */
  readonly timeoutS: number;
  /** Only jobs of this application; undefined means any. */
  readonly jobApplication: string | undefined;
  /** `{directory}` stands for the directory of the job, `{files}` for that of the files that came in the body. */
  readonly sandbox: Sandbox;
  validateBody(body: JsonValue): Validation<JsonObject>;
}

/** True when a caller with `roles` may submit to `application`. */
export function mayUse(application: Application, roles: readonly string[]): boolean {
  return application.allowedRoles.length === 0 || application.allowedRoles.some((role) => roles.includes(role));
}
