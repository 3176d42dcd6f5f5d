import type { JsonObject } from "../core/json.ts";
import { openApiSecuritySchemes, schemaRef } from "./openapi_schemas.ts";

/** What distinguishes one operation from the others. */
export interface OperationSketch {
  readonly operationId: string;
  /** Default: the `operationId` in title case. */
  readonly summary?: string;
  readonly description?: string | undefined;
  readonly tag?: string;
  readonly parameters?: readonly JsonObject[];
  readonly requestBody?: JsonObject;
  /** The good answers by status; the refusals are added. */
  readonly success: JsonObject;
  /** Statuses of refusals, besides 429 where there is a caller. 422 has its own schema, the others a text. */
  readonly refusals?: readonly (keyof typeof REFUSALS)[];
  /** True when a caller needs no token. */
  readonly isPublic?: boolean;
}

const REFUSALS = {
  400: "The body cannot be read",
  401: "The token is not valid",
  403: "There is no token, or a role is missing",
  404: "There is no such job or file",
  408: "The body came too slowly",
  409: "The state of the job does not allow it, or the key is in use right now",
  413: "The body or the archive is too large",
  415: "The upload is no zip archive by its type",
  422: "Validation Error",
  425: "The job has not completed",
  429: "The caller has reached a limit; see Retry-After",
  501: "The service lacks a program for this format",
  503: "The service is too busy, or its database is away",
  504: "The command took too long and was ended",
  507: "The service has too little free disk space",
} as const;

/** An operation object (OpenAPI 3.1.0 §4.8.10), keys in a pleasant order. */
export function operation(sketch: OperationSketch): JsonObject {
  const { operationId, description, tag, parameters = [], requestBody, refusals: own = [], isPublic = false } = sketch;
  return {
    ...(tag === undefined ? {} : { tags: [tag] }),
    summary: sketch.summary ?? titleCase(operationId),
    ...(description === undefined ? {} : { description }),
    operationId,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: { ...sketch.success, ...refusals(isPublic ? own : [...own, 429]) },
    ...(isPublic ? {} : { security: Object.keys(openApiSecuritySchemes).map((name) => ({ [name]: [] })) }),
  };
}

/** A good answer with a body of `schema`. */
export function success(mediaType: string, schema: JsonObject): JsonObject {
  return { description: "Successful Response", content: { [mediaType]: { schema } } };
}

/** A parameter object (OpenAPI 3.1.0 §4.8.12); its title is made from its name. */
export function parameter(
  where: "path" | "query" | "header",
  name: string,
  schema: JsonObject,
  description?: string,
): JsonObject {
  return {
    ...(description === undefined ? {} : { description }),
    required: where === "path",
    schema: { title: titleCase(name), ...schema },
    name,
    in: where,
  };
}

function refusals(statuses: readonly (keyof typeof REFUSALS)[]): JsonObject {
  return Object.fromEntries(
    statuses.map((status) => {
      const schema = schemaRef(status === 422 ? "HTTPValidationError" : "ErrorMessage");
      return [status, { description: REFUSALS[status], content: { "application/json": { schema } } }];
    }),
  );
}

/** `retrieve_job_file` → `Retrieve Job File` */
function titleCase(name: string): string {
  return name
    .split("_")
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join(" ");
}
