import { type JobId, jobId, MAX_JOB_ID } from "../core/ids.ts";
import type { EdgeContext } from "./edge.ts";
import { invalidParameters, type ParameterFault, Refusal } from "./refusal.ts";

/** What a parameter of type integer may be. */
export interface IntegerRule<Absent> {
  readonly default: Absent;
  readonly min: number;
  /** Larger values are lowered to it without complaint. */
  readonly max: number;
}

/**
 * Reads the parameters of one request and collects what is wrong with them, path before query before body, so that
 * all faults are reported together. A faulty parameter reads as 0 until {@link ParameterCheck.finish} throws.
 */
export class ParameterCheck {
  readonly #context: EdgeContext;
  readonly #faults: ParameterFault[] = [];

  constructor(context: EdgeContext) {
    this.#context = context;
  }

  /** The job number in the path; not yet checked to be one that can exist. */
  jobId(): number {
    return this.#integer(["path", "jobid"], this.#context.req.param("jobid") ?? "");
  }

  queryInteger<Absent>(name: string, rule: IntegerRule<Absent>): number | Absent {
    const text = queryValue(this.#context, name);
    return text === undefined ? rule.default : this.#atLeast(["query", name], text, rule);
  }

  /** @param name in lower case; an empty header counts as absent */
  headerInteger<Absent>(name: string, rule: IntegerRule<Absent>): number | Absent {
    const text = this.#context.req.header(name);
    return text === undefined || text === "" ? rule.default : this.#atLeast(["header", name], text, rule);
  }

  /** An integer of 1 or more. @param max larger values are lowered to it without complaint */
  queryPositive<Absent>(name: string, absent: Absent, max: number): number | Absent {
    const text = queryValue(this.#context, name);
    if (text === undefined) return absent;
    const faultsBefore = this.#faults.length;
    const value = this.#integer(["query", name], text);
    if (value < 1 && this.#faults.length === faultsBefore) this.add(notAbove(["query", name], 0));
    return Math.min(value, max);
  }

  /** One of `choices`, the first when the parameter is absent. */
  queryChoice<Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice {
    const text = queryValue(this.#context, name);
    const choice = text === undefined ? choices[0] : choices.find((permitted) => permitted === text);
    if (choice !== undefined) return choice;
    this.add(unexpected(["query", name], text ?? null, choices));
    return choices[0];
  }

  /** Any number of `choices`, each at most once, in the order of the query. */
  queryChoices<Choice extends string>(name: string, choices: readonly Choice[]): readonly Choice[] {
    const chosen = new Set<Choice>();
    for (const [index, text] of this.queryTexts(name).entries()) {
      const choice = choices.find((permitted) => permitted === text);
      if (choice === undefined) this.add(unexpected(["query", name, index], text, choices));
      else chosen.add(choice);
    }
    return [...chosen];
  }

  /** False when the parameter is absent. */
  queryBoolean(name: string): boolean {
    const text = queryValue(this.#context, name)?.toLowerCase();
    if (text !== undefined && !BOOLEANS.has(text)) {
      this.add({ loc: ["query", name], msg: "value could not be parsed to a boolean", type: "type_error.bool" });
    }
    return text !== undefined && BOOLEANS.get(text) === true;
  }

  /** Every value of a repeatable parameter. */
  queryTexts(name: string): readonly string[] {
    return this.#context.req.queries(name) ?? [];
  }

  add(fault: ParameterFault): void {
    this.#faults.push(fault);
  }

  /** @throws {Refusal} 422 with all faults, when there are any */
  finish(): void {
    if (this.#faults.length > 0) throw invalidParameters(this.#faults);
  }

  #atLeast(loc: readonly string[], text: string, { min, max }: IntegerRule<unknown>): number {
    const value = this.#integer(loc, text);
    if (value < min) this.add(notAtLeast(loc, min));
    return Math.min(value, max);
  }

  #integer(loc: readonly string[], text: string): number {
    if (/^[+-]?\d+$/.test(text.trim())) return Number(text);
    this.add({ loc, msg: "value is not a valid integer", type: "type_error.integer" });
    return 0;
  }
}

/** How truth may be spelled in a query. */
const BOOLEANS = new Map([
  ...["1", "true", "on", "yes", "t", "y"].map((text) => [text, true] as const),
  ...["0", "false", "off", "no", "f", "n"].map((text) => [text, false] as const),
]);

/** The value of a query parameter; of a repeated one the last. */
export function queryValue(c: EdgeContext, name: string): string | undefined {
  return c.req.queries(name)?.at(-1);
}

/** The job that a request without further parameters is about. @throws {Refusal} 422 or 404 */
export function requestedJobId(c: EdgeContext): JobId {
  const parameters = new ParameterCheck(c);
  const id = parameters.jobId();
  parameters.finish();
  return existingJobId(id);
}

/** @throws {Refusal} the same 404 as for an unknown job, when no job can have this number */
export function existingJobId(value: number): JobId {
  if (value < 1 || value > MAX_JOB_ID) throw jobNotFound();
  return jobId(value);
}

export function jobNotFound(): Refusal {
  return new Refusal(404, "Job not found");
}

/**
 * What keeps a text from being looked for or kept in a column of the database.
 *
 * @param maxLength in Unicode code points
 */
export function textFault(loc: ParameterFault["loc"], text: string, maxLength: number): ParameterFault | undefined {
  if ([...text].length > maxLength) {
    return {
      loc,
      msg: `ensure this value has at most ${maxLength} characters`,
      type: "value_error.any_str.max_length",
      ctx: { limit_value: maxLength },
    };
  }
  if (text.includes("\0") || !text.isWellFormed()) {
    return { loc, msg: "ensure this value has no NUL and no unpaired surrogate", type: "value_error" };
  }
  return undefined;
}

function unexpected(loc: ParameterFault["loc"], given: string | null, choices: readonly string[]): ParameterFault {
  const permitted = choices.map((one) => `'${one}'`).join(", ");
  return {
    loc,
    msg: `unexpected value; permitted: ${permitted}`,
    type: "value_error.const",
    ctx: { given, permitted: choices },
  };
}

function notAtLeast(loc: readonly string[], limit: number): ParameterFault {
  return {
    loc,
    msg: `ensure this value is greater than or equal to ${limit}`,
    type: "value_error.number.not_ge",
    ctx: { limit_value: limit },
  };
}

function notAbove(loc: readonly string[], limit: number): ParameterFault {
  return {
    loc,
    msg: `ensure this value is greater than ${limit}`,
    type: "value_error.number.not_gt",
    ctx: { limit_value: limit },
  };
}
