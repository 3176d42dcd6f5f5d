import { schedulerJobId } from "../../src/core/ids.ts";
import {
  type Cancellation,
  type Outcome,
  type Phase,
  type Placement,
  type Progress,
  PUBLIC_STATES,
  type PublicState,
  type Rerun,
} from "../../src/core/job.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";

/** Stored progress that cannot be understood; the message names the field. */
class ProgressFormatError extends Error {
  override readonly name = "ProgressFormatError";
}

/** Writes progress as a JSON object with its fields as they are, the discriminator being `phase`. */
export function encodeProgress(progress: Progress): string {
  return JSON.stringify(progress);
}

/**
 * Reads what {@link encodeProgress} wrote, of this or an older version of the program: a field that may be null
 * may also be missing. Fields that are not known are dropped.
 *
 * @throws {ProgressFormatError} when the text is no JSON, or a phase is unknown, or a field missing or of the wrong type
 */
export function decodeProgress(text: string): Progress {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ProgressFormatError("progress: expected JSON", { cause: error });
  }
  const fields = new Fields("progress", value);
  return DECODERS[fields.oneOf("phase", PHASES)](fields);
}

/** One decoder per phase, so that the compiler asks for it when a phase is added. */
const DECODERS: { readonly [P in Phase]: (fields: Fields) => Extract<Progress, { phase: P }> } = {
  accepted: (fields) => ({
    phase: "accepted",
    upload: fields.text("upload"),
    cancellation: fields.optional("cancellation", cancellation),
  }),
  staging_in: (fields) => ({
    phase: "staging_in",
    ...placement(fields),
    cancellation: fields.optional("cancellation", cancellation),
  }),
  waiting: (fields) => ({ phase: "waiting", ...placement(fields) }),
  submitting: (fields) => ({
    phase: "submitting",
    ...placement(fields),
    cancellation: fields.optional("cancellation", cancellation),
    rerun: fields.optional("rerun", rerun),
  }),
  queued: (fields) => ({
    phase: "queued",
    ...placement(fields),
    schedulerJobId: schedulerJobId(fields.text("schedulerJobId")),
    rerun: fields.optional("rerun", rerun),
    note: fields.optionalText("note"),
  }),
  running: (fields) => ({
    phase: "running",
    ...placement(fields),
    schedulerJobId: schedulerJobId(fields.text("schedulerJobId")),
  }),
  cancelling: (fields) => ({
    phase: "cancelling",
    ...placement(fields),
    schedulerJobId: schedulerJobId(fields.text("schedulerJobId")),
    wasRunning: fields.truth("wasRunning"),
    cancellation: cancellation(fields.object("cancellation")),
  }),
  staging_out: (fields) => ({
    phase: "staging_out",
    ...placement(fields),
    schedulerJobId: schedulerJobId(fields.text("schedulerJobId")),
    outcome: outcome(fields.object("outcome")),
    cancellation: fields.optional("cancellation", cancellation),
  }),
  closing: (fields) => ({
    phase: "closing",
    placement: fields.optional("placement", placement),
    schedulerJobId: optionalSchedulerJobId(fields),
    outcome: outcome(fields.object("outcome")),
    cancellation: fields.optional("cancellation", cancellation),
  }),
  finished: (fields) => ({
    phase: "finished",
    placement: fields.optional("placement", placement),
    schedulerJobId: optionalSchedulerJobId(fields),
    outcome: outcome(fields.object("outcome")),
  }),
  deleting: (fields) => ({
    phase: "deleting",
    placement: fields.optional("placement", placement),
    schedulerJobId: optionalSchedulerJobId(fields),
    lastState: fields.oneOf("lastState", PUBLIC_STATES),
  }),
};

const PHASES = Object.keys(DECODERS) as readonly Phase[];

/** @throws {ProgressFormatError} when there is no such phase */
export function decodePhase(text: string): Phase {
  return new Fields("row", { phase: text }).oneOf("phase", PHASES);
}

/** @throws {ProgressFormatError} when there is no such state */
export function decodeState(text: string): PublicState {
  return new Fields("row", { state: text }).oneOf("state", PUBLIC_STATES);
}

/** @throws {ProgressFormatError} when `text` is not the JSON of an object */
export function decodeParameters(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ProgressFormatError("parameters: expected JSON", { cause: error });
  }
  if (!isJsonObject(value)) throw mismatch("parameters", "a JSON object", value);
  return value;
}

function placement(fields: Fields): Placement {
  return { destination: fields.text("destination"), isStaged: fields.truth("isStaged") };
}

function cancellation(fields: Fields): Cancellation {
  return { reason: fields.text("reason"), isDelete: fields.truth("isDelete") };
}

function rerun(fields: Fields): Rerun {
  return { wasRunning: fields.truth("wasRunning"), reason: fields.text("reason") };
}

function outcome(fields: Fields): Outcome {
  const host = fields.optionalText("host");
  return {
    isOk: fields.truth("isOk"),
    returnCode: fields.optionalInteger("returnCode"),
    reason: fields.optionalText("reason"),
    ...(host === null ? {} : { host }),
  };
}

function optionalSchedulerJobId(fields: Fields) {
  const text = fields.optionalText("schedulerJobId");
  return text === null ? null : schedulerJobId(text);
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mismatch(path: string, expected: string, value: unknown): ProgressFormatError {
  const got = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 80);
  return new ProgressFormatError(`${path}: expected ${expected}, got ${got}`);
}

/** Typed access to the fields of an object that came from outside. */
class Fields {
  readonly #path: string;
  readonly #fields: JsonObject;

  constructor(path: string, value: unknown) {
    if (!isJsonObject(value)) throw mismatch(path, "an object", value);
    this.#path = path;
    this.#fields = value;
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value !== "string") throw this.#mismatch(name, "text");
    return value;
  }

  truth(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== "boolean") throw this.#mismatch(name, "true or false");
    return value;
  }

  oneOf<T extends string>(name: string, known: readonly T[]): T {
    const value = this.#get(name);
    const match = known.find((candidate) => candidate === value);
    if (match === undefined) throw this.#mismatch(name, `one of ${known.join(", ")}`);
    return match;
  }

  object(name: string): Fields {
    return new Fields(`${this.#path}.${name}`, this.#get(name));
  }

  optional<T>(name: string, read: (fields: Fields) => T): T | null {
    return (this.#get(name) ?? null) === null ? null : read(this.object(name));
  }

  optionalText(name: string): string | null {
    return (this.#get(name) ?? null) === null ? null : this.text(name);
  }

  optionalInteger(name: string): number | null {
    const value = this.#get(name) ?? null;
    if (value !== null && (typeof value !== "number" || !Number.isInteger(value))) {
      throw this.#mismatch(name, "an integer or null");
    }
    return value;
  }

  #get(name: string): JsonValue | undefined {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #mismatch(name: string, expected: string): ProgressFormatError {
    return mismatch(`${this.#path}.${name}`, expected, this.#get(name));
  }
}
