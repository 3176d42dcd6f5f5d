import type { Application, InteractiveApplication } from "../core/application.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { operation, parameter, success } from "./openapi_operation.ts";
import { schemaRef } from "./openapi_schemas.ts";
import { ZIP_MEDIA_TYPES } from "./upload_form.ts";

const IDEMPOTENCY_KEY = parameter(
  "header",
  "Idempotency-Key",
  { type: "string", minLength: 1, maxLength: 255 },
  "Chosen by the client for one submission: sent again with the same key, it makes no second job.",
);

/** One path for each application and each interactive application, in the order of the configuration. */
export function applicationPaths(
  applications: Iterable<Application>,
  interactiveApplications: Iterable<InteractiveApplication>,
): JsonObject {
  const paths: [string, JsonObject][] = [];
  for (const application of applications) {
    const path = `/api/application/${encodeURIComponent(application.name)}`;
    paths.push([path, { put: submission(application, path) }]);
  }
  for (const application of interactiveApplications) {
    const path = `/api/job/{jobid}/interactive/${encodeURIComponent(application.name)}`;
    paths.push([path, { post: interactiveRun(application, path) }]);
  }
  return Object.fromEntries(paths);
}

function submission(application: Application, path: string): JsonObject {
  const { name, summary, description } = application;
  const schema = relocated(uploadSchema(application), pathToSchema(path, "put", "multipart/form-data"));
  return operation({
    operationId: `application_${name}`,
    summary: summary ?? `Upload job to ${name}`,
    description,
    tag: "application",
    parameters: [IDEMPOTENCY_KEY],
    requestBody: {
      required: true,
      content: {
        "multipart/form-data": { schema, encoding: { upload: { contentType: ZIP_MEDIA_TYPES.join(", ") } } },
      },
    },
    success: {
      303: {
        description: "The job was accepted",
        headers: { Location: { description: "URL of the job.", schema: { type: "string", format: "uri" } } },
      },
      // Is never sent; clients were generated with it.
      307: success("application/json", {}),
    },
    refusals: [400, 401, 403, 408, 409, 413, 415, 422, 503, 507],
  });
}

function uploadSchema({ name, uploadNeeds, inputSchema = {} }: Application): JsonObject {
  const { properties, required, $defs, definitions } = inputSchema;
  const description =
    uploadNeeds.length === 0 ? "Zip archive." : `Zip archive containing ${uploadNeeds.join(", ")} file(s).`;
  return {
    type: "object",
    title: `Upload ${name}`,
    additionalProperties: false,
    properties: {
      upload: { type: "string", format: "binary", title: "Upload", description },
      ...(isJsonObject(properties) ? properties : {}),
    },
    required: ["upload", ...(Array.isArray(required) ? required : [])],
    ...($defs === undefined ? {} : { $defs }),
    ...(definitions === undefined ? {} : { definitions }),
  };
}

function interactiveRun(application: InteractiveApplication, path: string): JsonObject {
  const { name, summary, description, inputSchema } = application;
  const schema = relocated(inputSchema, pathToSchema(path, "post", "application/json"));
  return operation({
    operationId: `interactive_application_${name}`,
    summary: summary ?? `Run ${name} interactive application`,
    description,
    tag: "interactive",
    parameters: [{ name: "jobid", in: "path", required: true, schema: { type: "number" } }],
    requestBody: { required: true, content: { "application/json": { schema } } },
    success: { 200: success("application/json", schemaRef("InteractiveAppResult")) },
    refusals: [400, 401, 403, 404, 408, 413, 422, 425, 503, 504, 507],
  });
}

/** JSON pointer (RFC 6901) to the schema of a request body within the document. */
function pathToSchema(path: string, method: string, mediaType: string): string {
  const parts = ["paths", path, method, "requestBody", "content", mediaType, "schema"];
  return parts.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/**
 * A schema as part of the document: references within it, which start at its own root, start at the root of the
 * document instead. Everything else stays as it is.
 *
 * @param pointer where in the document the schema is
 */
function relocated(schema: JsonObject, pointer: string): JsonObject {
  const fragment = encodeURI(pointer).replaceAll("#", "%23");
  const relocate = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return value.map(relocate);
    if (!isJsonObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, child]) =>
        key === "$ref" && typeof child === "string" && /^#(\/|$)/.test(child)
          ? [key, `#${fragment}${child.slice(1)}`]
          : [key, relocate(child)],
      ),
    );
  };
  return relocate(schema) as JsonObject;
}
