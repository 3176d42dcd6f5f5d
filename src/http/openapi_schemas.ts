import type { Phase, PublicState } from "../core/job.ts";
import type { JsonObject } from "../core/json.ts";

/** In the order in which a job goes through them. */
const STATES: readonly PublicState[] = ["new", "queued", "running", "staging_out", "ok", "error"];

/** In the same order; `deleting` is hidden from clients. */
const PHASES: readonly Exclude<Phase, "deleting">[] = [
  "accepted",
  "staging_in",
  "waiting",
  "submitting",
  "queued",
  "running",
  "cancelling",
  "staging_out",
  "closing",
  "finished",
];

/** Points to one of {@link openApiSchemas}. */
export function schemaRef(name: keyof typeof openApiSchemas): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}

/** What requests and answers look like, by the names under which generated clients know them. */
export const openApiSchemas = {
  ApplicationInfo: {
    title: "ApplicationInfo",
    description: "An application, or an interactive one.",
    type: "object",
    required: ["name", "summary", "description", "input_schema"],
    properties: {
      name: { title: "Name", type: "string" },
      summary: { title: "Summary", type: ["string", "null"] },
      description: { title: "Description", type: ["string", "null"] },
      input_schema: {
        title: "Input Schema",
        type: ["object", "null"],
        additionalProperties: true,
        description: "JSON Schema of the form fields beside the upload, or of the body; null when there are none.",
      },
      upload_needs: {
        title: "Upload Needs",
        type: "array",
        items: { type: "string" },
        description: "Files that must be in the archive.",
      },
      job_application: {
        title: "Job Application",
        type: ["string", "null"],
        description: "Which jobs an interactive application is for; null means any.",
      },
    },
  },
  ApplicationList: {
    title: "ApplicationList",
    description: "What the caller may run, in the order of the configuration.",
    type: "object",
    required: ["applications", "interactive_applications"],
    properties: {
      applications: {
        title: "Applications",
        type: "array",
        items: { $ref: "#/components/schemas/ApplicationInfo" },
      },
      interactive_applications: {
        title: "Interactive Applications",
        type: "array",
        items: { $ref: "#/components/schemas/ApplicationInfo" },
      },
    },
  },
  DirectoryItem: {
    title: "DirectoryItem",
    type: "object",
    required: ["name", "path", "is_dir", "is_file"],
    properties: {
      name: { title: "Name", type: "string" },
      path: { title: "Path", type: "string", format: "path", description: "Relative to the directory of the job." },
      is_dir: { title: "Is Dir", type: "boolean" },
      is_file: { title: "Is File", type: "boolean" },
      children: {
        title: "Children",
        type: "array",
        items: { $ref: "#/components/schemas/DirectoryItem" },
        description: "Sorted by name. Left out for files, empty directories and at the depth limit.",
      },
    },
  },
  ErrorMessage: {
    title: "ErrorMessage",
    description: "Why a request was refused.",
    type: "object",
    required: ["detail"],
    properties: { detail: { title: "Detail", type: "string" } },
  },
  HTTPValidationError: {
    title: "HTTPValidationError",
    type: "object",
    properties: {
      detail: { title: "Detail", type: "array", items: { $ref: "#/components/schemas/ValidationError" } },
    },
  },
  InteractiveAppResult: {
    title: "InteractiveAppResult",
    description: "What an interactive application did.",
    type: "object",
    required: ["returncode", "stderr", "stdout"],
    properties: {
      returncode: {
        title: "Returncode",
        type: "integer",
        description: "Exit status of the command; negative when it was ended by that signal.",
      },
      stderr: { title: "Stderr", type: "string" },
      stdout: { title: "Stdout", type: "string" },
    },
  },
  JobModelDTO: {
    title: "JobModelDTO",
    description: "A job.",
    type: "object",
    required: ["id", "name", "application", "state", "created_on", "updated_on"],
    properties: {
      id: { title: "Id", type: "integer" },
      name: { title: "Name", type: "string" },
      application: { title: "Application", type: "string" },
      state: { title: "State", type: "string", enum: STATES },
      created_on: { title: "Created On", type: "string", format: "date-time" },
      updated_on: {
        title: "Updated On",
        type: "string",
        format: "date-time",
        description: "When the state last changed.",
      },
      reason: {
        title: "Reason",
        type: ["string", "null"],
        description: "Why the job failed or is being ended, or what it waits for.",
      },
      destination: {
        title: "Destination",
        type: ["string", "null"],
        description: "Where the job runs; null until that is chosen.",
      },
      queue_position: {
        title: "Queue Position",
        type: ["integer", "null"],
        minimum: 1,
        description: "Place in the queue for the destination, 1 is next; null when the job does not wait in it.",
      },
      submitted_on: {
        title: "Submitted On",
        type: ["string", "null"],
        format: "date-time",
        description: "When the scheduler of the destination took the job, the newest time.",
      },
      started_on: {
        title: "Started On",
        type: ["string", "null"],
        format: "date-time",
        description: "When the command was first seen running.",
      },
      finished_on: {
        title: "Finished On",
        type: ["string", "null"],
        format: "date-time",
        description: "When the state became `ok` or `error`.",
      },
      returncode: {
        title: "Returncode",
        type: ["integer", "null"],
        description: "Exit status of the command; negative when it was ended by that signal; null when there is none.",
      },
    },
  },
  JobTransition: {
    title: "JobTransition",
    description: "A step of a job.",
    type: "object",
    required: ["version", "on", "state", "phase", "attempt", "reason"],
    properties: {
      version: { title: "Version", type: "integer", description: "Counts the steps of the job, from 1." },
      on: { title: "On", type: "string", format: "date-time" },
      state: { title: "State", type: "string", enum: STATES },
      phase: { title: "Phase", type: "string", enum: PHASES, description: "The finer state." },
      attempt: {
        title: "Attempt",
        type: "integer",
        description: "Number of the newest attempt to run the command; 0 before the first.",
      },
      reason: {
        title: "Reason",
        type: ["string", "null"],
        description: "Why the job fails or is being ended.",
      },
    },
  },
  User: {
    title: "User",
    description: "Whom the service takes the caller for.",
    type: "object",
    required: ["username", "apikey"],
    properties: {
      username: { title: "Username", type: "string" },
      roles: { title: "Roles", type: "array", items: { type: "string" }, default: [] },
      apikey: { title: "Apikey", type: "string", description: "The token as received." },
    },
  },
  ValidationError: {
    title: "ValidationError",
    type: "object",
    required: ["loc", "msg", "type"],
    properties: {
      loc: { title: "Location", type: "array", items: { anyOf: [{ type: "string" }, { type: "integer" }] } },
      msg: { title: "Message", type: "string" },
      type: { title: "Error Type", type: "string" },
    },
  },
} satisfies JsonObject;

/** Where a token may be; the first one found counts, not in this order. */
export const openApiSecuritySchemes: JsonObject = {
  HTTPBearer: { type: "http", scheme: "bearer", bearerFormat: "jwt" },
  APIKeyCookie: { type: "apiKey", in: "cookie", name: "bartenderToken" },
  APIKeyQuery: { type: "apiKey", in: "query", name: "token" },
};
