import { type Application, type InteractiveApplication, mayUse } from "../core/application.ts";
import type { JsonObject } from "../core/json.ts";
import { jsonAnswer } from "./answer.ts";
import { authenticate } from "./authenticate.ts";
import type { EdgeDeps, Route } from "./edge.ts";

/** What can the caller run here, and can it be run now? */
export function discoveryRoutes(deps: EdgeDeps): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/applications",
      async handle(c) {
        const { roles } = await authenticate(c, deps);
        const usable = [...deps.applications.values()].filter((application) => mayUse(application, roles));
        return jsonAnswer({
          applications: usable.map(applicationToJson),
          interactive_applications: [...deps.interactive.applications.values()].map(interactiveToJson),
        });
      },
    },
    // Probes of a container platform: a process that is not live is started anew, one that is not ready gets no
    // requests. A database that is away is no reason for the former.
    { method: "GET", path: "/api/live", handle: () => jsonAnswer(null) },
    {
      method: "GET",
      path: "/api/ready",
      async handle() {
        await deps.jobs.ping();
        return jsonAnswer(null);
      },
    },
  ];
}

function applicationToJson({ name, summary, description, inputSchema, uploadNeeds }: Application): JsonObject {
  return {
    name,
    summary: summary ?? null,
    description: description ?? null,
    input_schema: inputSchema ?? null,
    upload_needs: uploadNeeds,
  };
}

function interactiveToJson(application: InteractiveApplication): JsonObject {
  const { name, summary, description, inputSchema, jobApplication } = application;
  return {
    name,
    summary: summary ?? null,
    description: description ?? null,
    input_schema: inputSchema,
    job_application: jobApplication ?? null,
  };
}
