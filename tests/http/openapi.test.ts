import { describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { openApiDocument } from "../../src/http/openapi.ts";
import { configOf } from "../config/support/load_text.ts";
import { edgeWorld } from "../support/edge_world.ts";

const CONFIG = `
applications:
  zeta: {command_template: "true"}
  wc:
    summary: Word count
    description: Counts **words**
    command_template: wc README.md
    upload_needs: [README.md, other/b.txt]
  size:
    command_template: du {{ format|q }}
    input_schema:
      type: object
      required: [format]
      properties:
        format: {type: string, enum: [bytes, human]}
        limit: {$ref: "#/$defs/limit"}
      $defs: {limit: {type: integer, default: 1}}
  odd name {1}#: {command_template: "true"}
interactive_applications:
  rescore:
    command_template: echo {{ w_elec|q }}
    input_schema: &rescore
      type: object
      additionalProperties: false
      required: [w_elec]
      properties: {w_elec: {type: number}}
  tree:
    summary: Walk
    description: Walks
    command_template: "true"
    input_schema: {type: object, properties: {child: {$ref: "#"}}}
`;

async function documentOf(config: string): Promise<JsonObject> {
  const { applications, interactiveApplications } = await configOf(config);
  // What clients get to see has gone through JSON.
  return JSON.parse(
    JSON.stringify(openApiDocument({ version: "1.2.3", applications, interactiveApplications })),
  ) as JsonObject;
}

function at(value: JsonValue | undefined, ...keys: readonly string[]): JsonValue | undefined {
  return keys.reduce<JsonValue | undefined>((node, key) => (node as JsonObject | undefined)?.[key], value);
}

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly operationId: string;
  readonly tags?: readonly string[];
  readonly summary: string;
  readonly security?: JsonValue;
  readonly responses: JsonObject;
}

function operationsOf(document: JsonObject): readonly Operation[] {
  return Object.entries(document.paths as JsonObject).flatMap(([path, item]) =>
    Object.entries(item as JsonObject).map(
      ([method, operation]) => ({ path, method, ...(operation as JsonObject) }) as unknown as Operation,
    ),
  );
}

/** Every local reference of the document. */
function references(value: JsonValue): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key === "$ref" && typeof child === "string" ? [child] : references(child),
  );
}

describe("the OpenAPI document", () => {
  test("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    const document = await documentOf(CONFIG);
    expect(await validator.validate(structuredClone(document) as Record<string, unknown>)).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
    // A validator that takes anything would not help.
    const broken = { ...document, paths: { "/x": { get: { responses: { 200: {} } } } } };
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test("has the frame that clients know", async () => {
    const { paths, components, ...frame } = await documentOf(CONFIG);
    expect(frame).toEqual({
      openapi: "3.1.0",
      info: { title: "bartender", description: "Job middleware for i-VRESSE", version: "1.2.3" },
    });
    expect(at(components, "securitySchemes")).toEqual({
      HTTPBearer: { type: "http", scheme: "bearer", bearerFormat: "jwt" },
      APIKeyCookie: { type: "apiKey", in: "cookie", name: "bartenderToken" },
      APIKeyQuery: { type: "apiKey", in: "query", name: "token" },
    });
    const names = Object.keys(at(components, "schemas") as JsonObject);
    const known = [
      "DirectoryItem",
      "HTTPValidationError",
      "InteractiveAppResult",
      "JobModelDTO",
      "User",
      "ValidationError",
    ];
    expect(names).toEqual(expect.arrayContaining(known));
    expect(Object.keys(paths as JsonObject)[0]).toBe("/api/health");
  });

  test("has the operations that clients know, then the configured ones in their order", async () => {
    const operations = operationsOf(await documentOf(CONFIG));
    const added = [
      "is_live",
      "is_ready",
      "list_applications",
      "cancel_job",
      "retrieve_job_history",
      "retrieve_job_events",
    ];
    const shown = operations
      .filter(({ operationId }) => !added.includes(operationId))
      .map(({ method, path, operationId, tags, summary }) => [method, path, operationId, tags?.join() ?? "", summary]);
    expect(shown.slice(0, 14)).toEqual([
      ["get", "/api/health", "health_check", "", "Health Check"],
      ["get", "/api/whoami", "whoami", "user", "Whoami"],
      ["get", "/api/job/", "retrieve_jobs", "job", "Retrieve Jobs"],
      ["get", "/api/job/{jobid}", "retrieve_job", "job", "Retrieve Job"],
      ["delete", "/api/job/{jobid}", "delete_job", "job", "Delete Job"],
      ["post", "/api/job/{jobid}/name", "rename_job_name", "job", "Rename Job Name"],
      ["get", "/api/job/{jobid}/files/{path}", "retrieve_job_file", "job", "Retrieve Job File"],
      ["get", "/api/job/{jobid}/stdout", "retrieve_job_stdout", "job", "Retrieve Job Stdout"],
      ["get", "/api/job/{jobid}/stderr", "retrieve_job_stderr", "job", "Retrieve Job Stderr"],
      ["get", "/api/job/{jobid}/directories", "retrieve_job_directories", "job", "Retrieve Job Directories"],
      [
        "get",
        "/api/job/{jobid}/directories/{path}",
        "retrieve_job_directories_from_path",
        "job",
        "Retrieve Job Directories From Path",
      ],
      [
        "get",
        "/api/job/{jobid}/archive",
        "retrieve_job_directory_as_archive",
        "job",
        "Retrieve Job Directory As Archive",
      ],
      [
        "get",
        "/api/job/{jobid}/archive/{path}",
        "retrieve_job_subdirectory_as_archive",
        "job",
        "Retrieve Job Subdirectory As Archive",
      ],
      ["put", "/api/application/zeta", "application_zeta", "application", "Upload job to zeta"],
    ]);
    expect(shown.slice(14)).toEqual([
      ["put", "/api/application/wc", "application_wc", "application", "Word count"],
      ["put", "/api/application/size", "application_size", "application", "Upload job to size"],
      [
        "put",
        "/api/application/odd%20name%20%7B1%7D%23",
        "application_odd name {1}#",
        "application",
        "Upload job to odd name {1}#",
      ],
      [
        "post",
        "/api/job/{jobid}/interactive/rescore",
        "interactive_application_rescore",
        "interactive",
        "Run rescore interactive application",
      ],
      ["post", "/api/job/{jobid}/interactive/tree", "interactive_application_tree", "interactive", "Walk"],
    ]);
  });

  test("asks for a token everywhere but at the probes, with three ways to give it", async () => {
    const operations = operationsOf(await documentOf(CONFIG));
    const open = operations.filter(({ security }) => security === undefined).map(({ operationId }) => operationId);
    expect(open).toEqual(["health_check", "is_live", "is_ready"]);
    const securities = operations.flatMap(({ security }) => (security === undefined ? [] : [JSON.stringify(security)]));
    expect([...new Set(securities)]).toEqual(['[{"HTTPBearer":[]},{"APIKeyCookie":[]},{"APIKeyQuery":[]}]']);
  });

  test("lists 422 with its schema where parameters or bodies are checked", async () => {
    const operations = operationsOf(await documentOf(CONFIG));
    const without = operations.filter(({ responses }) => responses["422"] === undefined);
    expect(without.map(({ operationId }) => operationId)).toEqual([
      "health_check",
      "is_live",
      "is_ready",
      "whoami",
      "list_applications",
    ]);
    expect(operations.at(-1)?.responses["422"]).toEqual({
      description: "Validation Error",
      content: { "application/json": { schema: { $ref: "#/components/schemas/HTTPValidationError" } } },
    });
  });

  test("describes parameters with type, title and default", async () => {
    const document = await documentOf(CONFIG);
    const parameters = at(document, "paths", "/api/job/{jobid}/archive/{path}", "get", "parameters");
    expect(parameters).toMatchObject([
      { name: "jobid", in: "path", required: true, schema: { type: "integer", title: "Jobid" } },
      { name: "path", in: "path", required: true, schema: { type: "string", title: "Path" } },
      {
        name: "archive_format",
        in: "query",
        required: false,
        schema: { enum: [".zip", ".tar", ".tar.xz", ".tar.gz", ".tar.bz2"], default: ".zip", title: "Archive Format" },
      },
      { name: "exclude", in: "query", required: false, schema: { type: "array", items: { type: "string" } } },
      { name: "exclude_dirs", in: "query", required: false, schema: { type: "array", title: "Exclude Dirs" } },
      { name: "filename", in: "query", required: false, schema: { type: "string" } },
    ]);
    expect(at(document, "paths", "/api/job/{jobid}/directories", "get", "parameters")).toMatchObject([
      { name: "jobid" },
      { name: "max_depth", in: "query", schema: { type: "integer", exclusiveMinimum: 0, default: 1 } },
    ]);
  });

  test("keeps the six keys of a job required, with the states in their order", async () => {
    const job = at(await documentOf(CONFIG), "components", "schemas", "JobModelDTO");
    expect(at(job, "required")).toEqual(["id", "name", "application", "state", "created_on", "updated_on"]);
    expect(at(job, "properties", "state", "enum")).toEqual(["new", "queued", "running", "staging_out", "ok", "error"]);
    expect(at(job, "properties", "created_on")).toMatchObject({ type: "string", format: "date-time" });
  });

  test("describes the upload of an application with its needs and form fields", async () => {
    const document = await documentOf(CONFIG);
    expect(at(document, "paths", "/api/application/wc", "put")).toMatchObject({
      description: "Counts **words**",
      requestBody: {
        required: true,
        content: {
          "multipart/form-data": {
            schema: {
              type: "object",
              title: "Upload wc",
              additionalProperties: false,
              properties: {
                upload: {
                  type: "string",
                  format: "binary",
                  title: "Upload",
                  description: "Zip archive containing README.md, other/b.txt file(s).",
                },
              },
              required: ["upload"],
            },
            encoding: { upload: { contentType: "application/zip, application/x-zip-compressed" } },
          },
        },
      },
    });
    const schema = at(
      document,
      "paths",
      "/api/application/size",
      "put",
      "requestBody",
      "content",
      "multipart/form-data",
    );
    expect(at(schema, "schema")).toMatchObject({ required: ["upload", "format"] });
    expect(Object.keys(at(schema, "schema", "properties") as JsonObject)).toEqual(["upload", "format", "limit"]);
    expect(at(schema, "schema", "properties", "upload", "description")).toBe("Zip archive.");
    expect(at(document, "paths", "/api/application/zeta", "put")).not.toHaveProperty("description");
  });

  test("keeps the key 307 of a submission for generated clients, beside the 303 that is sent", async () => {
    const responses = at(await documentOf(CONFIG), "paths", "/api/application/wc", "put", "responses");
    expect(at(responses, "307")).toEqual({
      description: "Successful Response",
      content: { "application/json": { schema: {} } },
    });
    expect(at(responses, "303", "headers")).toHaveProperty("Location");
  });

  test("takes over the schema of an interactive application word for word", async () => {
    const document = await documentOf(CONFIG);
    const operation = at(document, "paths", "/api/job/{jobid}/interactive/rescore", "post");
    expect(at(operation, "parameters")).toEqual([
      { name: "jobid", in: "path", required: true, schema: { type: "number" } },
    ]);
    expect(at(operation, "requestBody")).toEqual({
      required: true,
      content: {
        "application/json": {
          schema: {
            type: "object",
            additionalProperties: false,
            required: ["w_elec"],
            properties: { w_elec: { type: "number" } },
          },
        },
      },
    });
    expect(at(operation, "responses", "200", "content", "application/json", "schema")).toEqual({
      $ref: "#/components/schemas/InteractiveAppResult",
    });
  });

  test("holds what every reference in it points to", async () => {
    const document = await documentOf(CONFIG);
    const found = references(document);
    expect(found.filter((reference) => reference.startsWith("#/paths/"))).toHaveLength(2);
    for (const reference of found) {
      const keys = decodeURI(reference.slice(2))
        .replaceAll("%23", "#")
        .split("/")
        .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
      expect([reference, typeof at(document, ...keys)]).toEqual([reference, "object"]);
    }
  });

  test("is served as JSON to everybody, the same at every request", async () => {
    const { applications, interactiveApplications } = await configOf(CONFIG);
    using world = await edgeWorld({ applications });
    const first = await world.app.request("/api/openapi.json");
    expect(first.status).toBe(200);
    expect(first.headers.get("content-type")).toBe("application/json");
    const document = (await first.json()) as JsonObject;
    expect(document).toEqual(
      JSON.parse(
        JSON.stringify(
          openApiDocument({
            version: String(at(document, "info", "version")),
            applications,
            interactiveApplications: new Map(),
          }),
        ),
      ),
    );
    expect(interactiveApplications.size).toBe(2);
    const etag = first.headers.get("etag") ?? "";
    const again = await world.app.request("/api/openapi.json", { headers: { "if-none-match": `"x", W/${etag}` } });
    expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, etag, ""]);
  });
});
