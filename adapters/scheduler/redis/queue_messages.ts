import Type, { type Static, type TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { BartenderError } from "../../../src/core/errors.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import type { AttemptEnd } from "../../../src/ports/attempt_queue.ts";
import type { FilePart } from "../../../src/ports/file_system.ts";

/*
 * What daemons and performers tell each other, as JSON. Whoever can write to Redis can make a performer run commands;
 * so a message is not trusted any further than that: nothing of it is taken that is not described here.
 */

/** Daemons and performers of different versions do not understand each other, and say so. */
export const MESSAGE_VERSION = 1;

const version = Type.Literal(MESSAGE_VERSION);
const tag = Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9-]{0,150}$" });

const attemptMessage = Type.Object(
  {
    version,
    tag,
    directory: Type.String({ pattern: "^/[^\\u0000]*$" }),
    command: Type.String({ pattern: "^[^\\u0000]*$" }),
    application: Type.String(),
    submitter: Type.String(),
  },
  { additionalProperties: false },
);

const end = Type.Object(
  {
    type: Type.Literal("ended"),
    outcome: Type.Object(
      {
        isOk: Type.Boolean(),
        returnCode: Type.Union([Type.Integer(), Type.Null()]),
        reason: Type.Union([Type.String(), Type.Null()]),
        /** Without it are ends that an earlier version has left in Redis, so that needs no other version number. */
        host: Type.Optional(Type.String()),
      },
      { additionalProperties: false },
    ),
    isInterrupted: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

const result = Type.Object({ version, end }, { additionalProperties: false });

const news = Type.Object(
  { version, tag, status: Type.Union([Type.Object({ type: Type.Literal("running") }), end]) },
  { additionalProperties: false },
);

const performerMessage = Type.Object(
  {
    version,
    /** Of Bartender. */
    release: Type.String(),
    destination: Type.String(),
    host: Type.String(),
    pid: Type.Integer(),
    /** Milliseconds since 1970 by its own clock. */
    sinceMs: Type.Integer(),
    /** How long it may be silent; its configuration may be older than the daemon's, or of another destination. */
    leaseMs: Type.Integer({ minimum: 1 }),
    capacity: Type.Integer(),
    running: Type.Integer(),
    isDraining: Type.Boolean(),
  },
  { additionalProperties: false },
);

const logQuestion = Type.Object(
  {
    version,
    tag,
    fileName: Type.Enum(["stdout.txt", "stderr.txt"]),
    /** A negative one counts from the end. */
    fromByte: Type.Integer(),
    maxBytes: Type.Integer({ minimum: 0 }),
    asker: Type.String({ pattern: "^[0-9a-f]{24}$" }),
    question: Type.Integer(),
  },
  { additionalProperties: false },
);

const logAnswer = Type.Object(
  {
    version,
    question: Type.Integer(),
    part: Type.Union([
      Type.Null(),
      Type.Object(
        { start: Type.Integer({ minimum: 0 }), base64: Type.String({ pattern: "^[A-Za-z0-9+/]*=*$" }) },
        { additionalProperties: false },
      ),
    ]),
  },
  { additionalProperties: false },
);

/** What a performer is to run. */
export type AttemptMessage = Omit<Static<typeof attemptMessage>, "version">;
/** What a performer says about itself. */
export type PerformerMessage = Omit<Static<typeof performerMessage>, "version">;
/** Which part of the log of a running attempt a daemon wants. */
export type LogQuestion = Omit<Static<typeof logQuestion>, "version">;
export interface LogAnswer {
  readonly question: number;
  readonly part: FilePart | undefined;
}
/** Something that has happened to an attempt. */
export interface NewsMessage {
  readonly tag: string;
  readonly status: SchedulerStatus;
}

/** The version stands first, where BEGIN looks for it. */
export function encodeAttempt(message: AttemptMessage): string {
  return JSON.stringify({ version: MESSAGE_VERSION, ...message });
}

/** @throws {BartenderError} for anything else */
export function decodeAttempt(text: string): AttemptMessage {
  const { version: _, ...message } = decode("attempt", attemptMessage, text);
  return message;
}

export function encodeEnd(ended: AttemptEnd): string {
  return JSON.stringify({ version: MESSAGE_VERSION, end: ended });
}

/** @throws {BartenderError} for anything else */
export function decodeEnd(text: string): AttemptEnd {
  return decode("result", result, text).end;
}

export function encodeNews({ tag: about, status }: NewsMessage): string {
  return JSON.stringify({ version: MESSAGE_VERSION, tag: about, status });
}

/** @throws {BartenderError} for anything else */
export function decodeNews(text: string): NewsMessage {
  const { version: _, ...message } = decode("news", news, text);
  return message;
}

export function encodePerformer(message: PerformerMessage): string {
  return JSON.stringify({ version: MESSAGE_VERSION, ...message });
}

/** @throws {BartenderError} for anything else */
export function decodePerformer(text: string): PerformerMessage {
  const { version: _, ...message } = decode("performer", performerMessage, text);
  return message;
}

export function encodeLogQuestion(message: LogQuestion): string {
  return JSON.stringify({ version: MESSAGE_VERSION, ...message });
}

/** @throws {BartenderError} for anything else */
export function decodeLogQuestion(text: string): LogQuestion {
  const { version: _, ...message } = decode("log question", logQuestion, text);
  return message;
}

export function encodeLogAnswer({ question, part }: LogAnswer): string {
  const coded = part === undefined ? null : { start: part.start, base64: Buffer.from(part.bytes).toString("base64") };
  return JSON.stringify({ version: MESSAGE_VERSION, question, part: coded });
}

/** @throws {BartenderError} for anything else */
export function decodeLogAnswer(text: string): LogAnswer {
  const { question, part } = decode("log answer", logAnswer, text);
  if (part === null) return { question, part: undefined };
  return { question, part: { start: part.start, bytes: Buffer.from(part.base64, "base64") } };
}

/** Made when they are first needed, as that takes longer than a check. */
const validators = new Map<TSchema, Validator>();

function validatorOf(schema: TSchema): Validator {
  const made = validators.get(schema) ?? (Compile(schema) as Validator);
  validators.set(schema, made);
  return made;
}

function decode<Schema extends TSchema>(what: string, schema: Schema, text: string): Static<Schema> {
  const value = parse(what, text);
  const validator = validatorOf(schema);
  if (isObject(value) && value.version !== MESSAGE_VERSION) {
    throw new BartenderError(
      "queue_message",
      `Message in Redis (${what}): expected version ${MESSAGE_VERSION}, got ${JSON.stringify(value.version)}; daemon and ` +
        "performers must be of the same version",
    );
  }
  if (validator.Check(value)) return value as Static<Schema>;
  const [fault] = validator.Errors(value);
  const where = fault === undefined || fault.instancePath === "" ? what : `${what}${fault.instancePath}`;
  throw new BartenderError("queue_message", `Message in Redis (${where}): ${fault?.message ?? "is not as expected"}`);
}

function parse(what: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BartenderError("queue_message", `Message in Redis (${what}): expected JSON`, { cause: error });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
