import { parseCommandTemplate } from "../core/command_template.ts";
import { BartenderError } from "../core/errors.ts";
import { type JobResources, parseMemoryMb } from "../core/job_resources.ts";
import type { JsonObject } from "../core/json.ts";
import { parseDuration } from "./duration.ts";
import type { KeyPath } from "./finding.ts";
import type { Report } from "./report.ts";
import type { ResourcesEntry } from "./schema.ts";

/** A value that is no amount of a resource: the reader names the key and the value. */
class ResourceError extends BartenderError {
  constructor(key: string, expected: string, value: string) {
    super("resources_invalid", `resources.${key}: expected ${expected}, got ${JSON.stringify(value)}`);
  }
}

interface Reader {
  readonly expected: string;
  /** @returns undefined when the text is no such amount */
  read(text: string): JobResources | undefined;
}

const READERS: Readonly<Record<keyof ResourcesEntry, Reader>> = {
  cpus: {
    expected: "a whole number from 1",
    read: (text) => wholeNumber(text, 1, (cpus) => ({ cpus })),
  },
  memory: {
    expected: "an amount like 4G or 500M",
    read(text) {
      const memoryMb = parseMemoryMb(text);
      return memoryMb === undefined ? undefined : { memoryMb };
    },
  },
  gpus: {
    expected: "a whole number from 0",
    read: (text) => wholeNumber(text, 0, (gpus) => ({ gpus })),
  },
  time: {
    expected: "seconds, HH:MM:SS or an ISO 8601 duration",
    read(text) {
      const duration = parseDuration(text);
      return duration.isValid ? { timeS: duration.seconds } : undefined;
    },
  },
};

/**
 * Makes the key `resources` of an application usable: each value is an amount, or a template over the form values that
 * renders to one. Amounts are checked at once, templates as far as possible.
 *
 * @returns what a job with these form values asks for; that throws a {@link BartenderError} for a value that is none
 */
export function buildResources(
  entry: ResourcesEntry | undefined,
  path: KeyPath,
  report: Report,
): (parameters: JsonObject) => JobResources {
  const rendered = Object.entries(entry ?? {}).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const key = name as keyof ResourcesEntry;
    try {
      const template = parseCommandTemplate(String(value), []);
      const isAmount = !/[{]/.test(String(value));
      if (isAmount) amountOf(key, String(value));
      return [(parameters: JsonObject) => amountOf(key, template.render(parameters))];
    } catch (error) {
      if (!(error instanceof BartenderError)) throw error;
      report.fault([...path, key], error.message.replace(`resources.${key}: `, ""));
      return [];
    }
  });
  return (parameters) => Object.assign({}, ...rendered.map((render) => render(parameters)));
}

function amountOf(key: keyof ResourcesEntry, text: string): JobResources {
  const { expected, read } = READERS[key];
  const amount = read(text.trim());
  if (amount === undefined) throw new ResourceError(key, expected, text.trim());
  return amount;
}

function wholeNumber(text: string, least: number, make: (value: number) => JobResources): JobResources | undefined {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : -1;
  return value >= least ? make(value) : undefined;
}
