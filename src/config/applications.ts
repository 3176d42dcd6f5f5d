import type { Application, InteractiveApplication } from "../core/application.ts";
import { type ParsedCommandTemplate, parseCommandTemplate } from "../core/command_template.ts";
import { BartenderError } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { checkedSeconds } from "./duration.ts";
import type { KeyPath } from "./finding.ts";
import { type CompiledSchema, compileBodySchema, compileFormSchema } from "./input_schema.ts";
import { didYouMean } from "./nearest.ts";
import type { Report } from "./report.ts";
import { buildResources } from "./resources.ts";
import type { ApplicationEntry, InteractiveApplicationEntry } from "./schema.ts";

/**
 * Makes an entry of `applications` usable, reporting what cannot be.
 *
 * @param entry as far as it could be read
 * @returns undefined when something was reported
 */
export function buildApplication(
  name: string,
  entry: Partial<ApplicationEntry>,
  report: Report,
): Application | undefined {
  const path = ["applications", name];
  const command = buildTemplate(entry, [...path, "command_template"], report);
  const schema = buildSchema(compileFormSchema, entry.input_schema, [...path, "input_schema"], report);
  const resources = buildResources(entry.resources, [...path, "resources"], report);
  if (command === undefined || (entry.input_schema !== undefined && schema === undefined)) {
    return undefined;
  }
  return {
    name,
    summary: entry.summary,
    description: entry.description,
    command,
    uploadNeeds: entry.upload_needs ?? [],
    allowedRoles: entry.allowed_roles ?? [],
    maxRuntimeS: entry.max_runtime === undefined ? null : checkedSeconds(entry.max_runtime),
    resources,
    inputSchema: entry.input_schema,
    validateForm: (fields) => schema?.validate(fields) ?? { isValid: true, value: {} },
  };
}

/**
 * Makes an entry of `interactive_applications` usable, reporting what cannot be.
 *
 * @param entry as far as it could be read
 * @param applications names of the configured applications
 * @returns undefined when something was reported
 */
export function buildInteractiveApplication(
  name: string,
  entry: Partial<InteractiveApplicationEntry>,
  applications: readonly string[],
  report: Report,
): InteractiveApplication | undefined {
  const path = ["interactive_applications", name];
  const command = buildTemplate(entry, [...path, "command_template"], report);
  const schema = buildSchema(compileBodySchema, entry.input_schema, [...path, "input_schema"], report);
  const jobApplication = entry.job_application;
  if (jobApplication !== undefined && !applications.includes(jobApplication)) {
    report.fault(
      [...path, "job_application"],
      `Interactive application ${name} has invalid job_application ${jobApplication}${didYouMean(jobApplication, applications)}`,
    );
  }
  if (entry.input_schema !== undefined) {
    checkEmbeddedFiles(entry.input_schema, [...path, "input_schema"], report);
  }
  if (
    command === undefined ||
    schema === undefined ||
    entry.input_schema === undefined ||
    entry.timeout === undefined
  ) {
    return undefined;
  }
  return {
    name,
    summary: entry.summary,
    description: entry.description,
    command,
    inputSchema: entry.input_schema,
    timeoutS: entry.timeout,
    jobApplication,
    sandbox: entry.sandbox ?? [],
    validateBody: schema.validate,
  };
}

function buildTemplate(
  { command_template: source, input_schema: schema }: Partial<ApplicationEntry | InteractiveApplicationEntry>,
  path: KeyPath,
  report: Report,
): ParsedCommandTemplate | undefined {
  if (source === undefined) {
    return undefined;
  }
  try {
    const template = parseCommandTemplate(source, plainProperties(schema));
    for (const { expression, line, column } of template.unquotedExpressions) {
      report.warn(
        path,
        `{{ ${expression} }} reaches the shell without |q (line ${line}, column ${column} of the template)`,
      );
    }
    return template;
  } catch (error) {
    if (error instanceof BartenderError) {
      report.fault(path, error.message);
      return undefined;
    }
    throw error;
  }
}

const PLAIN_TYPES: readonly unknown[] = ["number", "integer", "boolean"];

/** Properties whose values cannot break out of a shell line. */
function plainProperties(schema: JsonObject | undefined): readonly string[] {
  const properties = schema?.properties;
  if (properties === undefined || !isJsonObject(properties)) return [];
  return Object.entries(properties)
    .filter(([, property]) => isJsonObject(property) && PLAIN_TYPES.includes(property.type))
    .map(([name]) => name);
}

function buildSchema<Input>(
  compile: (schema: JsonObject) => CompiledSchema<Input>,
  schema: JsonObject | undefined,
  path: KeyPath,
  report: Report,
): Extract<CompiledSchema<Input>, { isValid: true }> | undefined {
  if (schema === undefined) {
    return undefined;
  }
  const compiled = compile(schema);
  if (compiled.isValid) {
    return compiled;
  }
  for (const fault of compiled.faults) {
    report.fault([...path, ...fault.path], fault.message);
  }
  return undefined;
}

/** Text properties with a `contentMediaType` become files named like the property. */
function checkEmbeddedFiles(schema: JsonObject, path: KeyPath, report: Report): void {
  const { properties } = schema;
  if (typeof properties !== "object" || properties === null) {
    return;
  }
  for (const [name, property] of Object.entries(properties as JsonObject)) {
    const { type, contentMediaType, contentEncoding } = (property ?? {}) as JsonObject;
    if (type !== "string" || contentMediaType === undefined) {
      continue;
    }
    const propertyPath = [...path, "properties", name];
    if (contentEncoding !== undefined && contentEncoding !== "base64" && contentEncoding !== "utf-8") {
      report.fault(
        [...propertyPath, "contentEncoding"],
        `expected base64 or utf-8, got ${JSON.stringify(contentEncoding)}`,
      );
    }
    if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
      report.faultAtKey(propertyPath, "an embedded file is named like its property, which has to be a file name");
    }
  }
}
