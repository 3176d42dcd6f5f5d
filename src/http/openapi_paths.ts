import { PUBLIC_STATES } from "../core/job.ts";
import type { JsonObject } from "../core/json.ts";
import { type OperationSketch, operation, parameter, success } from "./openapi_operation.ts";
import { schemaRef } from "./openapi_schemas.ts";

const JOB_ID = parameter("path", "jobid", { type: "integer" });
const PATH = parameter("path", "path", { type: "string" }, "Relative to the directory of the job.");
const MAX_DEPTH = parameter(
  "query",
  "max_depth",
  { type: "integer", exclusiveMinimum: 0, default: 1 },
  "How many levels are listed.",
);
const JOB_LIST = [
  parameter("query", "limit", { type: "integer", minimum: 0, default: 10 }),
  parameter("query", "offset", { type: "integer", minimum: 0, default: 0 }),
  parameter("query", "before", { type: "integer", exclusiveMinimum: 0 }, "Only jobs with lower numbers."),
  parameter("query", "state", { type: "array", items: { type: "string", enum: PUBLIC_STATES } }, "Any of these."),
  parameter("query", "application", { type: "array", maxItems: 20, items: { type: "string" } }, "Any of these."),
  parameter("query", "name", { type: "string", maxLength: 200 }, "A part of the name, in whatever case."),
];
const LOG = [
  parameter("query", "tail", { type: "integer", exclusiveMinimum: 0 }, "Only so many lines from the end."),
  parameter("query", "follow", { type: "boolean", default: false }, "Go on until the job has ended."),
  parameter(
    "query",
    "keep_alive",
    { type: "boolean", default: false },
    "With `follow`: begin at once and show signs of life, in the coding gzip where the client takes that.",
  ),
];
const EVENTS = [
  parameter("header", "Last-Event-ID", { type: "integer", minimum: 0 }, "The last event that the client has got."),
  parameter("query", "last_event_id", { type: "integer", minimum: 0 }, "The same for clients that cannot set it."),
];
const ARCHIVE = [
  parameter("query", "archive_format", {
    type: "string",
    enum: [".zip", ".tar", ".tar.xz", ".tar.gz", ".tar.bz2"],
    default: ".zip",
  }),
  parameter("query", "exclude", patterns(), "Patterns of file names to leave out, e.g. `*.log`."),
  parameter("query", "exclude_dirs", patterns(), "Patterns of directory names to leave out with all below."),
  parameter("query", "filename", { type: "string" }, "Name under which a browser saves the archive."),
];

const JOB_REFUSALS = [401, 403, 404, 422, 503] as const;
const OUTPUT_REFUSALS = [401, 403, 404, 422, 425, 503] as const;
const BYTES = { 200: success("application/octet-stream", { type: "string", format: "binary" }) };
const TEXT = { 200: success("text/plain", { type: "string" }) };

/** The operations that do not depend on the configuration, by path and method. */
export const fixedPaths: JsonObject = {
  "/api/health": {
    get: operation({
      operationId: "health_check",
      description: "Answers `null` when the service and its database work.",
      success: { 200: json({}) },
      refusals: [503],
      isPublic: true,
    }),
  },
  "/api/live": {
    get: operation({
      operationId: "is_live",
      description: "Answers `null` as long as the process works, whatever its database does.",
      success: { 200: json({}) },
      isPublic: true,
    }),
  },
  "/api/ready": {
    get: operation({
      operationId: "is_ready",
      description: "Answers `null` when requests can be served.",
      success: { 200: json({}) },
      refusals: [503],
      isPublic: true,
    }),
  },
  "/api/whoami": {
    get: operation({
      operationId: "whoami",
      tag: "user",
      success: { 200: json(schemaRef("User")) },
      refusals: [401, 403],
    }),
  },
  "/api/applications": {
    get: operation({
      operationId: "list_applications",
      tag: "application",
      description: "What the caller may run.",
      success: { 200: json(schemaRef("ApplicationList")) },
      refusals: [401, 403],
    }),
  },
  "/api/job/": {
    get: ofJob({
      operationId: "retrieve_jobs",
      description:
        "The jobs of the caller, the newest first. When there are more, the header `Link` has the URL of the next page.",
      parameters: JOB_LIST,
      success: {
        200: json({ title: "Response Retrieve Jobs", type: "array", items: schemaRef("JobModelDTO") }),
      },
      refusals: [401, 403, 422, 503],
    }),
  },
  "/api/job/{jobid}": {
    get: ofJob({
      operationId: "retrieve_job",
      parameters: [JOB_ID],
      success: { 200: json(schemaRef("JobModelDTO")) },
    }),
    delete: ofJob({
      operationId: "delete_job",
      description: "Ends the job when it still runs, and removes it with its files.",
      parameters: [JOB_ID],
      success: { 204: { description: "Successful Response" } },
      refusals: [401, 403, 404, 409, 422, 503],
    }),
  },
  "/api/job/{jobid}/cancel": {
    post: ofJob({
      operationId: "cancel_job",
      description:
        "Ends the job. Its files stay, its state becomes `error` once nothing of its command is left running. " +
        "May be repeated while that is under way.",
      parameters: [JOB_ID],
      success: { 202: json(schemaRef("JobModelDTO")) },
      refusals: [401, 403, 404, 409, 422, 503],
    }),
  },
  "/api/job/{jobid}/history": {
    get: ofJob({
      operationId: "retrieve_job_history",
      description: "Every transition of the job, the oldest first.",
      parameters: [JOB_ID],
      success: {
        200: json({ title: "Response Retrieve Job History", type: "array", items: schemaRef("JobTransition") }),
      },
    }),
  },
  "/api/job/{jobid}/events": {
    get: ofJob({
      operationId: "retrieve_job_events",
      description:
        "The transitions of the job as server-sent events, as they come. An event `state` has a `JobTransition` as its " +
        "data, with the `returncode` at the end of a job that has one, and its `version` as its id. An event `deleted` " +
        "tells that the job is gone.",
      parameters: [JOB_ID, ...EVENTS],
      success: {
        200: success("text/event-stream", { type: "string" }),
        204: { description: "The job has ended and the client knows it" },
      },
    }),
  },
  "/api/job/{jobid}/name": {
    post: ofJob({
      operationId: "rename_job_name",
      parameters: [JOB_ID],
      requestBody: {
        required: true,
        content: {
          "application/json": { schema: { title: "Name", type: "string", minLength: 1, maxLength: 200 } },
        },
      },
      success: { 200: json({}) },
      refusals: [400, 401, 403, 404, 408, 413, 422, 503],
    }),
  },
  "/api/job/{jobid}/files/{path}": {
    get: ofJob({
      operationId: "retrieve_job_file",
      description: "A file of a completed job.",
      parameters: [JOB_ID, PATH],
      success: BYTES,
      refusals: OUTPUT_REFUSALS,
    }),
  },
  "/api/job/{jobid}/stdout": { get: log("retrieve_job_stdout", "standard output") },
  "/api/job/{jobid}/stderr": { get: log("retrieve_job_stderr", "standard error output") },
  "/api/job/{jobid}/directories": { get: directories("retrieve_job_directories", [JOB_ID]) },
  "/api/job/{jobid}/directories/{path}": {
    get: directories("retrieve_job_directories_from_path", [JOB_ID, PATH]),
  },
  "/api/job/{jobid}/archive": { get: archive("retrieve_job_directory_as_archive", [JOB_ID]) },
  "/api/job/{jobid}/archive/{path}": { get: archive("retrieve_job_subdirectory_as_archive", [JOB_ID, PATH]) },
};

function ofJob(sketch: OperationSketch): JsonObject {
  return operation({ tag: "job", refusals: JOB_REFUSALS, ...sketch });
}

function log(operationId: string, what: string): JsonObject {
  return ofJob({
    operationId,
    description: `The ${what} of the command of a completed job; with \`tail\` or \`follow\` also while it runs.`,
    parameters: [JOB_ID, ...LOG],
    success: TEXT,
    refusals: OUTPUT_REFUSALS,
  });
}

function directories(operationId: string, parameters: readonly JsonObject[]): JsonObject {
  return ofJob({
    operationId,
    description: "What is in a directory of a completed job.",
    parameters: [...parameters, MAX_DEPTH],
    success: { 200: json(schemaRef("DirectoryItem")) },
    refusals: OUTPUT_REFUSALS,
  });
}

function archive(operationId: string, parameters: readonly JsonObject[]): JsonObject {
  return ofJob({
    operationId,
    description: "A directory of a completed job as an archive.",
    parameters: [...parameters, ...ARCHIVE],
    success: BYTES,
    refusals: [401, 403, 404, 422, 425, 501, 503],
  });
}

function json(schema: JsonObject): JsonObject {
  return success("application/json", schema);
}

function patterns(): JsonObject {
  return { type: "array", items: { type: "string" } };
}
