import type { Application, InteractiveApplication } from "../core/application.ts";
import type { JsonObject } from "../core/json.ts";
import { applicationPaths } from "./openapi_applications.ts";
import { fixedPaths } from "./openapi_paths.ts";
import { openApiSchemas, openApiSecuritySchemes } from "./openapi_schemas.ts";

/** What the document tells about an installation. */
export interface OpenApiInput {
  /** Version of the service. */
  readonly version: string;
  readonly applications: ReadonlyMap<string, Application>;
  readonly interactiveApplications: ReadonlyMap<string, InteractiveApplication>;
}

/**
 * Describes the API (OpenAPI 3.1.0): first the fixed paths, then one for each configured application. Pure.
 *
 * Names of operations and schemas are part of the contract: clients are generated from them.
 */
export function openApiDocument({ version, applications, interactiveApplications }: OpenApiInput): JsonObject {
  return {
    openapi: "3.1.0",
    info: { title: "bartender", description: "Job middleware for i-VRESSE", version },
    paths: { ...fixedPaths, ...applicationPaths(applications.values(), interactiveApplications.values()) },
    components: { schemas: openApiSchemas, securitySchemes: openApiSecuritySchemes },
  };
}
