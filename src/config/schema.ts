import Type, { type Static } from "typebox";
import type { JsonObject } from "../core/json.ts";
import { type DestinationEntry, destinationSchema } from "./destination_schema.ts";
import { DURATIONS, duration, keepingTime } from "./duration_schema.ts";
import { sandboxSchema } from "./sandbox_schema.ts";

/*
 * The one description of config.yaml. From it come the checks (read_value.ts), the types of what was read, and
 * config.schema.json for editors (json_schema.ts).
 *
 * - A key with a `default` is never missing after reading, so it is not `Optional` here; one that is `Optional`
 *   may be absent, and `null` means the same.
 * - `patternErrorMessage` follows the value in the message; VS Code shows it too.
 * - `writeOnly` marks secrets: their values never appear in messages.
 * - A `Refine` holds what a JSON Schema cannot say.
 */

/** Names become parts of URLs, keys of the database and arguments on the command line. */
const nameSchema = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: "^(?!\\.{1,2}$)[^/\\u0000-\\u001f\\u007f]*$",
  patternErrorMessage: "should be usable in a URL: without / and control characters, neither . nor ..",
});

const commandTemplate = Type.String({
  description:
    "Jinja2 template of the command for /bin/sh -c. Quote every value for the shell with the filter q: {{ name|q }}.",
  minLength: 1,
});

function inputSchema(description: string) {
  return Type.Unsafe<JsonObject>({
    description,
    type: "object",
    properties: { type: { const: "object" } },
    required: ["type"],
    additionalProperties: true,
  });
}

const summary = Type.Optional(Type.String({ description: "One line for the API documentation." }));
const description = Type.Optional(Type.String({ description: "Text for the API documentation." }));

/** An amount, or a template that renders to one. */
function amount(description: string) {
  return Type.Optional(Type.Unsafe<number | string>({ description, type: ["integer", "string"] }));
}

const resourcesSchema = Type.Object(
  {
    cpus: amount("CPUs of the job."),
    memory: amount("Memory of the job, e.g. 4G."),
    gpus: amount("GPUs of the job."),
    time: amount(`How long the job may take: ${DURATIONS}.`),
  },
  {
    description:
      "What a job asks a batch system for; each value may be a template over the form values. The destination has the " +
      "last word (max_cpus and so on).",
    additionalProperties: false,
  },
);

const applicationSchema = Type.Object(
  {
    command_template: commandTemplate,
    input_schema: Type.Optional(
      inputSchema(
        "JSON Schema 2020-12 of the form fields beside the upload; they become the variables of the command.",
      ),
    ),
    upload_needs: Type.Array(
      Type.String({
        pattern: "^(?!/)(?!(.*/)?\\.\\.(/|$))[^\\u0000]+$",
        patternErrorMessage: "should be a file name relative to the root of the archive",
      }),
      { description: "Files that must be in the uploaded archive.", default: [] },
    ),
    allowed_roles: Type.Array(Type.String(), {
      description: "The caller needs one of these roles; empty means everybody with a token.",
      default: [],
    }),
    max_runtime: Type.Optional(
      duration(`When to end a running command; the smaller one of destination and application counts: ${DURATIONS}.`),
    ),
    resources: Type.Optional(resourcesSchema),
    keep_for: Type.Optional(
      keepingTime(
        "How long finished jobs are kept before they are deleted with all their files, e.g. P30D or P2W; " +
          "default is keep_for at the top level.",
      ),
    ),
    summary,
    description,
  },
  { description: "A command-line application that jobs run.", additionalProperties: false },
);

const interactiveApplicationSchema = Type.Object(
  {
    command_template: commandTemplate,
    input_schema: inputSchema(
      "JSON Schema 2020-12 of the request body; its fields become the variables of the command.",
    ),
    timeout: Type.Number({
      description: "Seconds after which the command is ended.",
      exclusiveMinimum: 0,
      maximum: 60,
      default: 30,
    }),
    job_application: Type.Optional(Type.String({ description: "Allow it for jobs of this application only." })),
    sandbox: sandboxSchema(
      "{directory} stands for the directory of the job, {files} for that of the files that came in the body.",
    ),
    summary,
    description,
  },
  { description: "A short command that runs in the directory of a completed job.", additionalProperties: false },
);

function optionalCount(description: string) {
  return Type.Optional(Type.Integer({ description: `${description} Without it there is no limit.`, minimum: 1 }));
}

const limitsSchema = Type.Object(
  {
    max_upload_bytes: Type.Integer({ description: "Size of an upload.", minimum: 1, default: 10_000_000_000 }),
    max_expanded_bytes: Type.Integer({
      description: "Size of all unpacked files.",
      minimum: 1,
      default: 100_000_000_000,
    }),
    max_entries: Type.Integer({ description: "Files and directories in an archive.", minimum: 1, default: 1_000_000 }),
    max_ratio: Type.Number({
      description: "Unpacked size divided by packed size; judged only when much was unpacked.",
      minimum: 1,
      default: 1000,
    }),
    distinct_names: Type.Boolean({
      description:
        "Refuse an archive with two names that differ only by case or Unicode form, which some file systems and " +
        "programs take for one.",
      default: false,
    }),
    interactive_max_load: Type.Number({
      description: "Interactive applications are refused while the 1-minute load per usable CPU is above.",
      exclusiveMinimum: 0,
      default: 1,
    }),
    submissions_per_minute: optionalCount("Submissions of one user in a minute; as many may come at once."),
    requests_per_minute: optionalCount("Requests of one user in a minute, of every kind; as many may come at once."),
    max_unfinished_jobs: optionalCount("Jobs of one user that are waiting or running."),
    max_stored_jobs: optionalCount("Jobs of one user, also finished ones, until they are deleted."),
    min_free_bytes: Type.Integer({
      description:
        "Free space that a submission must leave on the disk of job_root_dir, so that running jobs can go on; 0 turns " +
        "the check off.",
      minimum: 0,
      default: 100_000_000,
    }),
    max_streams: Type.Integer({
      description: "Streams of events and followed logs that may be open at a time.",
      minimum: 1,
      default: 1000,
    }),
    max_streams_per_user: Type.Integer({ description: "The same for one user.", minimum: 1, default: 20 }),
  },
  {
    description: "Limits for uploads, users, interactive applications and streams.",
    additionalProperties: false,
    default: {},
  },
);

const tokensSchema = Type.Object(
  {
    issuers: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: "Accept only tokens with one of these values of iss; without it every issuer is accepted.",
        minItems: 1,
      }),
    ),
    allow_cookie: Type.Boolean({ description: "Accept tokens in a cookie.", default: true }),
    allow_query: Type.Boolean({ description: "Accept tokens in the query of the URL.", default: true }),
  },
  { description: "Which tokens are accepted.", additionalProperties: false, default: {} },
);

export const configFileSchema = Type.Object(
  {
    job_root_dir: Type.Optional(
      Type.String({
        description:
          "Directory of all jobs, made when missing; relative to the working directory, ~ is the home directory. " +
          "Default is `jobs` in the directory for temporary files.",
        minLength: 1,
      }),
    ),
    applications: Type.Record(Type.String(), applicationSchema, {
      description: "Applications by name.",
      propertyNames: nameSchema,
      minProperties: 1,
    }),
    interactive_applications: Type.Record(Type.String(), interactiveApplicationSchema, {
      description: "Interactive applications by name.",
      propertyNames: nameSchema,
      default: {},
    }),
    destinations: Type.Record(Type.String(), destinationSchema, {
      description: "Places where jobs run, by name; the order matters to some pickers.",
      propertyNames: nameSchema,
      minProperties: 1,
      default: { local: { scheduler: { type: "memory", slots: 1 }, filesystem: { type: "local" } } },
    }),
    destination_picker: Type.String({
      description:
        "Chooses the destination of a job: bartender.picker:pick_first, pick_byname, pick_byindex, pick_round, " +
        "or a function of your own as <path to .ts or .js file>:<export>.",
      minLength: 1,
      default: "bartender.picker:pick_first",
    }),
    keep_for: Type.Optional(
      keepingTime(
        "How long finished jobs of all applications are kept before they are deleted with all their files, e.g. P30D " +
          "or P2W; default is for ever.",
      ),
    ),
    limits: limitsSchema,
    tokens: tokensSchema,
    command_environment: Type.Array(
      Type.String({
        pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
        patternErrorMessage: "should be the name of an environment variable",
      }),
      {
        description:
          "Environment variables of the service that commands get, beside PATH, HOME, LANG, LC_*, TZ, TMPDIR, USER, " +
          "LOGNAME and SHELL.",
        default: [],
      },
    ),
  },
  { title: "Configuration of Bartender", additionalProperties: false },
);

export type ResourcesEntry = Static<typeof resourcesSchema>;
export type ApplicationEntry = Static<typeof applicationSchema>;
export type InteractiveApplicationEntry = Static<typeof interactiveApplicationSchema>;

/** The whole file after reading, defaults filled in; maps keep the order of the file. */
export type ConfigFile = Omit<
  Static<typeof configFileSchema>,
  "applications" | "interactive_applications" | "destinations"
> & {
  readonly applications: ReadonlyMap<string, ApplicationEntry>;
  readonly interactive_applications: ReadonlyMap<string, InteractiveApplicationEntry>;
  readonly destinations: ReadonlyMap<string, DestinationEntry>;
};
